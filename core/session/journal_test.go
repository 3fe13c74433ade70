package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// An event of a layer's stands in the log with the line of its rule, as far as the layer was told
// of such a rule.
func TestToldWithItsLine(t *testing.T) {
	rule := policy.PathRule{
		ID: "filesystem.deny.0", Access: policy.Deny, Path: "/srv",
		Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 4, Column: 12},
	}
	m := &member{binary: &layerhost.Binary{Name: "acme/fs"}}
	h := &handler{member: m}
	event := sdk.Event{
		Name: "denied", Rule: "filesystem.deny.0", Count: 3, Fields: map[string]string{"path": "/srv/x"},
	}
	want := events.Event{
		Layer: "acme/fs", Name: "denied", Rule: "filesystem.deny.0", Count: 3,
		Fields: map[string]string{"path": "/srv/x"},
	}
	if diff := cmp.Diff(want, h.told(event)); diff != "" {
		t.Errorf("before the layer was told of a policy (-want +got)\n%s", diff)
	}
	m.sent.Store(&policy.Policy{Filesystem: []policy.PathRule{rule}})
	want.Source = "agent.hcl:4:12"
	if diff := cmp.Diff(want, h.told(event)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	event.Rule, want.Rule, want.Source = "filesystem.deny.1", "filesystem.deny.1", ""
	if diff := cmp.Diff(want, h.told(event)); diff != "" {
		t.Errorf("a rule that nobody has (-want +got)\n%s", diff)
	}
}

// What sessions can get in one another's way over is directories that the user lets an agent write.
func TestTrees(t *testing.T) {
	asked := policy.Source{Origin: policy.OriginFlag, Flag: "--allow"}
	grant := func(access policy.Access, kind policy.FileType, path string, from policy.Source) policy.PathRule {
		return policy.PathRule{Access: access, Type: kind, Path: path, Source: from}
	}
	r := &run{policy: policy.Policy{Filesystem: []policy.PathRule{
		grant(policy.Allow, policy.Directory, "/a", asked),
		grant(policy.Write, policy.Directory, "/w", asked),
		grant(policy.Read, policy.Directory, "/r", asked),
		grant(policy.Deny, policy.Directory, "/d", asked),
		grant(policy.Allow, policy.Regular, "/f", asked),
		grant(policy.Allow, policy.Directory, "/of/the/default", policy.Source{Origin: policy.OriginDefault}),
	}}}
	if got := r.trees(); !slices.Equal(got, []string{"/a", "/w"}) {
		t.Errorf("%q", got)
	}
}

// A layer that asks for the end again and again, each time for another reason, fills no disk. Once
// is told, as the control.
func TestStopsFillNoDisk(t *testing.T) {
	var size counter
	log, err := events.Create(&size, "abcdefghij", nil)
	if err != nil {
		t.Fatal(err)
	}
	began := size
	opened := make(chan struct{})
	close(opened)
	h := &handler{
		run:    &run{opened: opened, stops: make(chan error, 1)},
		member: &member{binary: &layerhost.Binary{Name: "acme/egress"}},
		log:    journal{Log: log},
	}
	h.Stop("once")
	if size == began {
		t.Error("that a layer ended the run is not told")
	}
	reason := strings.Repeat("x", 4000)
	for n := range 2 * events.MaxSize / len(reason) {
		h.Stop(fmt.Sprint(n, reason))
	}
	if size > events.MaxSize+1<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }
