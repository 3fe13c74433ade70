package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// What version 1 wrote is read by every later one. These files are never changed; a version that
// writes another form gets files of its own.
func TestVersion1(t *testing.T) {
	s := newStore(t)
	const id = "q3v7abcdef"
	dir := filepath.Join(s.unfinished(), id)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/version-1")); err != nil {
		t.Fatal(err)
	}
	taken, err := s.Take(id)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	want := Record{
		Version: 1, Nono: "0.1.0", ID: id, Name: "nightly",
		Created: time.Date(2026, 11, 26, 8, 0, 0, 500, time.UTC),
		Started: time.Date(2026, 11, 26, 8, 0, 1, 0, time.UTC),
		Dir:     "/home/ada/\xff", Command: []string{"python3", "my_agent.py"},
		Files: []File{{Path: "/home/ada/proj/agent.hcl", SHA256: "e3b0c442"}},
		Tier:  sdk.TierA,
		Processes: []Process{
			{Is: "nono", PID: 4711, Since: 123456}, {Is: "nono-init", PID: 4712, Since: 123457},
		},
		Layers: []Layer{
			{
				Kind: policy.KindFilesystem, Name: "landlock", Version: "0.1.0",
				Lifetime: sdk.Ephemeral, BuiltIn: true,
			},
			{
				Kind: policy.KindCustom, Name: "test/keeper", Version: "1.0.0", Lifetime: sdk.Bracket,
				Path: "/opt/nono-layer-keeper", Digest: "00ff", Owed: true,
			},
		},
		Tries: 1,
	}
	if diff := cmp.Diff(want, taken.Record()); diff != "" {
		t.Error(diff)
	}
	kept, err := taken.Kept("test/keeper")
	wantKept := Kept{Version: 1, Run: []byte("run"), State: []byte("state")}
	if diff := cmp.Diff(wantKept, kept); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
