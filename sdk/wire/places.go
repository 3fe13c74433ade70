package wire

import (
	"fmt"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

var shows = Enum[places.Shows, layerpb.Shows]{
	{places.Host, layerpb.Shows_SHOWS_HOST},
	{places.Private, layerpb.Shows_SHOWS_PRIVATE},
	{places.Hidden, layerpb.Shows_SHOWS_HIDDEN},
	{places.Empty, layerpb.Shows_SHOWS_EMPTY},
}

var standings = Enum[places.Standing, layerpb.Standing]{
	{places.Absent, layerpb.Standing_STANDING_ABSENT},
	{places.Own, layerpb.Standing_STANDING_OWN},
	{places.Kept, layerpb.Standing_STANDING_KEPT},
	{places.Shown, layerpb.Standing_STANDING_SHOWN},
	{places.Overruled, layerpb.Standing_STANDING_OVERRULED},
	{places.Masked, layerpb.Standing_STANDING_MASKED},
	{places.Stub, layerpb.Standing_STANDING_STUB},
	{places.Unseen, layerpb.Standing_STANDING_UNSEEN},
	{places.ReadOnly, layerpb.Standing_STANDING_READ_ONLY},
	{places.Unknown, layerpb.Standing_STANDING_UNKNOWN},
	{places.Spared, layerpb.Standing_STANDING_SPARED},
	{places.Aside, layerpb.Standing_STANDING_ASIDE},
}

// EncodePlaces is what the agent sees of the files, as the filesystem layer gets it.
func EncodePlaces(v places.View) (*layerpb.Places, error) {
	m := &layerpb.Places{Additive: v.Additive}
	for i, p := range v.Places {
		place, err := encodePlace(p)
		if err != nil {
			return nil, fmt.Errorf("place %d: %w", i, err)
		}
		m.Places = append(m.Places, place)
	}
	for _, l := range v.Links {
		m.Links = append(m.Links,
			&layerpb.PlaceLink{Path: []byte(l.Path), Target: []byte(l.Target), Rule: string(l.Rule)})
	}
	for i, r := range v.Rules {
		is, err := standings.Encode(r.Is)
		if err != nil {
			return nil, fmt.Errorf("the standing of rule %d: %w", i, err)
		}
		m.Rules = append(m.Rules, &layerpb.PlaceRule{
			Rule: string(r.ID), Path: []byte(r.Path), Is: is,
			Rights: encodeRights(r.Rights), Replaceable: r.Replaceable,
			Opened: []byte(r.Opened), Unlisted: r.Unlisted,
		})
	}
	return m, nil
}

func encodePlace(p places.Place) (*layerpb.Place, error) {
	shown, showsErr := shows.Encode(p.Shows)
	fileType, typeErr := fileTypes.Encode(p.Type)
	return &layerpb.Place{
		Path: []byte(p.Path), Shows: shown, Rule: string(p.Rule),
		Type: fileType, Device: p.Device, Inode: p.Inode, Names: p.Names,
		Rights: encodeRights(p.Rights), Devices: p.Devices, Pin: string(p.Pin),
		Readable: p.Readable, Mode: encodeMode(p.Mode), Report: p.Report,
		Copy: p.Copy, List: p.List,
	}, First(showsErr, At(typeErr, "type"))
}

func encodeRights(r places.Rights) *layerpb.Rights {
	return &layerpb.Rights{Read: r.Read, Write: r.Write, Execute: r.Execute}
}

// DecodePlaces is the view as core sent it.
func DecodePlaces(m *layerpb.Places) (places.View, error) {
	v := places.View{Additive: m.GetAdditive()}
	for i, p := range m.GetPlaces() {
		place, err := decodePlace(p)
		if err != nil {
			return v, fmt.Errorf("place %d: %w", i, err)
		}
		v.Places = append(v.Places, place)
	}
	for _, l := range m.GetLinks() {
		v.Links = append(v.Links, places.Link{
			Path: string(l.GetPath()), Target: string(l.GetTarget()), Rule: policy.RuleID(l.GetRule()),
		})
	}
	for i, r := range m.GetRules() {
		is, err := standings.Decode(r.GetIs())
		if err != nil {
			return v, fmt.Errorf("the standing of rule %d: %w", i, err)
		}
		v.Rules = append(v.Rules, places.Rule{
			ID: policy.RuleID(r.GetRule()), Path: string(r.GetPath()), Is: is,
			Rights: decodeRights(r.GetRights()), Replaceable: r.GetReplaceable(),
			Opened: string(r.GetOpened()), Unlisted: r.GetUnlisted(),
		})
	}
	return v, nil
}

func decodePlace(m *layerpb.Place) (places.Place, error) {
	shown, showsErr := shows.Decode(m.GetShows())
	fileType, typeErr := fileTypes.Decode(m.GetType())
	mode, modeErr := decodeMode(m.GetMode())
	return places.Place{
		Path: string(m.GetPath()), Shows: shown, Rule: policy.RuleID(m.GetRule()),
		Type: fileType, Device: m.GetDevice(), Inode: m.GetInode(), Names: m.GetNames(),
		Rights: decodeRights(m.GetRights()), Devices: m.GetDevices(), Pin: policy.RuleID(m.GetPin()),
		Readable: m.GetReadable(), Mode: mode, Report: m.GetReport(),
		Copy: m.GetCopy(), List: m.GetList(),
	}, First(showsErr, At(typeErr, "type"), At(modeErr, "mode"))
}

func decodeRights(m *layerpb.Rights) places.Rights {
	return places.Rights{Read: m.GetRead(), Write: m.GetWrite(), Execute: m.GetExecute()}
}
