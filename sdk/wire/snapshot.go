package wire

import (
	"errors"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

func encodeSnapshot(s policy.Snapshot) (*layerpb.Snapshot, error) {
	if len(s.Paths)+len(s.Exclude) == 0 && s.Keep == nil {
		return nil, nil
	}
	m := &layerpb.Snapshot{}
	for _, p := range s.Paths {
		source, err := encodeSource(p.Source)
		if err != nil {
			return nil, At(err, "path %q", p.Path)
		}
		m.Paths = append(m.Paths, &layerpb.SnapshotPath{
			Id: string(p.ID), Source: source, Path: []byte(p.Path), Name: []byte(p.Name),
		})
	}
	for _, e := range s.Exclude {
		source, err := encodeSource(e.Source)
		if err != nil {
			return nil, At(err, "exclude %q", e.Pattern)
		}
		m.Exclude = append(m.Exclude, &layerpb.SnapshotExclude{
			Id: string(e.ID), Source: source, Pattern: []byte(e.Pattern),
		})
	}
	if k := s.Keep; k != nil {
		source, err := encodeSource(k.Source)
		if err != nil {
			return nil, At(err, "keep")
		}
		m.Keep = &layerpb.SnapshotKeep{
			Id: string(k.ID), Source: source, Sessions: k.Sessions, Age: k.Age, Size: k.Size,
		}
	}
	return m, nil
}

func decodeSnapshot(m *layerpb.Snapshot) (policy.Snapshot, error) {
	var s policy.Snapshot
	for i, p := range m.GetPaths() {
		source, err := decodeSource(p.GetSource())
		if err != nil {
			return s, At(err, "path %d", i)
		}
		s.Paths = append(s.Paths, policy.SnapshotPath{
			ID: policy.RuleID(p.GetId()), Source: source, Path: string(p.GetPath()),
			Name: string(p.GetName()),
		})
	}
	for i, e := range m.GetExclude() {
		source, err := decodeSource(e.GetSource())
		if err != nil {
			return s, At(err, "exclude %d", i)
		}
		s.Exclude = append(s.Exclude, policy.SnapshotExclude{
			ID: policy.RuleID(e.GetId()), Source: source, Pattern: string(e.GetPattern()),
		})
	}
	if k := m.GetKeep(); k != nil {
		source, err := decodeSource(k.GetSource())
		if k.GetSessions() < 0 || k.GetAge() < 0 || k.GetSize() < 0 {
			err = First(err, errors.New("less than nothing cannot be kept"))
		}
		if err != nil {
			return s, At(err, "keep")
		}
		s.Keep = &policy.SnapshotKeep{
			ID: policy.RuleID(k.GetId()), Source: source, Sessions: k.Sessions,
			Age: k.Age, Size: k.Size,
		}
	}
	return s, nil
}
