package settings_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/git/settings"
)

// odd are files as nobody writes them, and some as people do.
var odd = []string{
	"", "\n", "# x\n; y\n", "\ufeff[core]\n\tbare = false\n",
	"[core]\n\tbare = false\n\teditor = vi # mine\n", "[core]\r\n\tbare = true\r\n", "[Core] BARE = true",
	"[core]\nbare\n", "[core]\nbare = \n", "[core]\nbare=\n", "[core] bare", "[core]bare=true[user]name=x",
	"[a \"b\"]\nc = d\n", "[a \"B\\\"b\\\\\"]\nc = d\n", "[a.B]\nc = d\n", "[a.b.c]\nd = e\n", "[a   \"b\"]c=d", "[a\t\"b\"]c=d", "[ a]\nb=c\n",
	"[a \"b\" ]\nc = d\n", "[a \"b]\nc = d\n", "[a\n\"b\"]\nc = d\n", "[]\na = b\n", "[a-b]\nc-d = e\n", "[a_b]\nc = d\n",
	"[a]\nb = \"c  d\"  \n", "[a]\nb = c   d  ; e\n", "[a]\nb = \"c ; d\" ; e\n", "[a]\nb = c \\\n  d\n", "[a]\nb = \"c\n", "[a]\nb = c\\x\n", "[a]\nb = \\t\\n\\b\\\\\\\"\n",
	"[a]\nb = c\\", "[a]\nb : c\n", "[a]\nb_c = d\n", "[a]\n1b = c\n", "b = c\n", "[a]\nb = c\n[a\n", "[a]\nb\tc\n", "[a]\nb\t=\tc\n", "[a]\n=b\n",
	"[alias]\n\tst = !touch x\n\tci = commit\n", "[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\trequired = true\n",
	"[includeIf \"gitdir:~/x/\"]\n\tpath = ~/y\n", "[url \"https://x/\"]\n\tinsteadOf = git@x:\n", "[a]\nb = \xff\n", "[a] ; comment\nb = 1\n", "[a]b=1 c=2\n",
}

// gits is what git makes of a file: name and value of each setting. It is false where git refuses
// the file.
func gits(t *testing.T, content []byte) ([]string, bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "config", "--file", file, "--list", "--null", "--no-includes")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	var all []string
	for _, entry := range bytes.Split(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		if len(entry) > 0 {
			all = append(all, string(entry))
		}
	}
	return all, true
}

// Each file is read as git reads it, or both refuse it.
func TestParseIsGits(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	for _, text := range odd {
		want, ok := gits(t, []byte(text))
		all, err := settings.Parse([]byte(text))
		if ok != (err == nil) {
			t.Errorf("%q: %v, and git takes it: %v", text, err, ok)
			continue
		}
		var got []string
		for _, s := range all {
			if name := s.Name(); s.Implied {
				got = append(got, name)
			} else {
				got = append(got, name+"\n"+s.Value)
			}
		}
		if diff := cmp.Diff(want, got); ok && diff != "" {
			t.Errorf("%q (-git +got):\n%s", text, diff)
		}
	}
}

func TestCommand(t *testing.T) {
	for text, want := range map[string]string{
		"[core]\nfsmonitor = /x": "/x", "[core]\nfsmonitor = true": "", "[core]\nfsmonitor": "", "[core]\nsshCommand = ssh -v": "ssh -v",
		"[core]\npager = less": "less", "[core]\nbare = true": "", "[pager]\nlog = false": "", "[pager]\nlog = sh -c x": "sh -c x",
		"[alias]\nst = status": "", "[alias]\nst = !x": "x", "[filter \"a\"]\nclean = x": "x", "[filter \"a\"]\nrequired = x": "",
		"[diff \"a\"]\ntextconv = x": "x", "[diff]\nexternal = x": "x", "[merge \"a\"]\ndriver = x %O": "x %O", "[merge]\nff = only": "",
		"[credential \"https://x\"]\nhelper = !x": "x", "[gpg \"ssh\"]\nprogram = x": "x", "[submodule \"a\"]\nupdate = !x": "x",
		"[submodule \"a\"]\nupdate = rebase": "", "[remote \"a\"]\nuploadpack = x": "x", "[remote \"a\"]\nurl = ext::x": "x",
		"[remote \"a\"]\nurl = https://x": "", "[core]\nhooksPath = x": "", "[include]\npath = x": "", "[user]\nname = x": "",
	} {
		all, err := settings.Parse([]byte(text))
		if err != nil || len(all) != 1 {
			t.Fatalf("%q: %v, %v", text, all, err)
		}
		if got, ok := all[0].Command(); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}

// FuzzParse: whatever the file holds, it is read to the end or refused, and what was read are names
// that a section and a key can have.
func FuzzParse(f *testing.F) {
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		all, _ := settings.Parse(content)
		for _, s := range all {
			if s.Key == "" || s.Key != strings.ToLower(s.Key) || s.Line < 1 || strings.ContainsRune(s.Value, 0) {
				t.Fatalf("%+v", s)
			}
		}
	})
}
