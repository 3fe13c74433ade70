package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config"
)

// What the user may not read is not recorded, and what he may not write is not put back.
func TestRecordedRights(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read and write everything")
	}
	for mode, says := range map[os.FileMode]string{
		0o300: "proj/sub cannot be recorded: permission denied",
		0o500: "proj/sub yourself: nothing could be put back into it",
		0o700: "",
	} {
		w := newWorld(t)
		w.file("proj/sub/", "")
		w.file("proj/agent.hcl", "filesystem {\n  allow = [\".\"]\n}\nsnapshot {\n  paths = [\"sub\"]\n}\n")
		w.flags("-c agent.hcl\n")
		if err := os.Chmod(w.root+"/proj/sub", mode); err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(w.options)
		said := ""
		if err != nil {
			said = err.Error()
		} else {
			for _, n := range loaded.Config.Notices {
				said += n.Error() + "\n"
			}
		}
		told := strings.Contains(said, "recorded: ") || strings.Contains(said, "you may not write to")
		if !strings.Contains(said, says) || told != (says != "") {
			t.Errorf("%o: %s", mode, said)
		}
	}
}
