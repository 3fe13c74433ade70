//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// signedFile is a user who has signed one file, and started once with it.
func signedFile(t *testing.T) *user {
	t.Helper()
	u := withKey(t)
	u.mkdir(".git")
	u.write("CLAUDE.md", "be kind\n")
	u.succeeds(u.nono("trust", "sign", "CLAUDE.md"))
	if r := u.succeeds(u.agent()); r.Stdout != "be kind\n" {
		t.Fatalf("it reads %s", r)
	}
	return u
}

// agent reads the file, and leaves a trace of having run.
func (u *user) agent() result {
	u.t.Helper()
	_ = os.Remove(u.path("ran"))
	return u.nono("run", "-s", "--allow-cwd", "--", "sh", "-c", "echo > ran; cat CLAUDE.md")
}

var anyDay = regexp.MustCompile(`[A-Z][a-z]{2} \d{1,2} \d{4}`)

// TestTamperedFile has what is done to a signed file, and all that the next run says.
func TestTamperedFile(t *testing.T) {
	const signAgain = "\n  put back what was signed; or, where the change is right, sign it again: nono trust sign CLAUDE.md\n"
	const putBack = "\n  put the signature back; or, where the file is right, sign it again: nono trust sign CLAUDE.md\n"
	const putFile = "\n  put the file itself there; or, where it was signed, have that forgotten: nono trust forget CLAUDE.md\n"
	const bundle = "CLAUDE.md.sigstore.json"
	edit := func(from, to string) func(*user) {
		return func(u *user) {
			text := u.read(bundle)
			if !strings.Contains(text, from) {
				u.t.Fatalf("nothing to edit in %s", text)
			}
			u.write(bundle, strings.Replace(text, from, to, 1))
		}
	}
	must := func(u *user, err error) {
		u.t.Helper()
		if err != nil {
			u.t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		do   func(*user)
		says string
	}{
		"a byte of the file": {
			func(u *user) { u.write("CLAUDE.md", "be kinD\n") },
			`CLAUDE.md is not what was signed: it was changed after key "default" signed it (CLAUDE.md.sigstore.json)` + signAgain,
		},
		"an empty file": {
			func(u *user) { u.write("CLAUDE.md", "") },
			`CLAUDE.md is not what was signed: it was changed after key "default" signed it (CLAUDE.md.sigstore.json)` + signAgain,
		},
		"an empty signature": {
			func(u *user) { u.write(bundle, "") },
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): it is empty" + putBack,
		},
		"the signature is gone": {
			func(u *user) { must(u, os.Remove(u.path(bundle))) },
			`CLAUDE.md is not signed any more: key "default" signed it (CLAUDE.md.sigstore.json, first seen on DAY)` +
				"\n  put the signature back; or sign the file again: nono trust sign CLAUDE.md; " +
				"or have it forgotten that it was signed: nono trust forget CLAUDE.md\n",
		},
		"the payload's type": {
			edit("application/vnd.in-toto+json", "application/vnd.in-toto+jsoN"),
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): what it signs is not an in-toto statement: " +
				`its payload has the type "application/vnd.in-toto+jsoN", not "application/vnd.in-toto+json"` + putBack,
		},
		"the payload": {
			edit(`"payload": "ey`, `"payload": "ez`),
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): its signature does not fit what it signs" + putBack,
		},
		"a second signature": {
			edit(`"signatures": [`, `"signatures": [{"sig": "AAAA"},`),
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): it has to have one signature: its envelope has 2" + putBack,
		},
		"a signature that is a link": {
			func(u *user) {
				must(u, os.Rename(u.path(bundle), u.path("x")))
				must(u, os.Symlink("x", u.path(bundle)))
			},
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): CLAUDE.md.sigstore.json is a link to x, " +
				"and a signature has to lie beside the file itself" + putBack,
		},
		"a signature of 100 MB": {
			func(u *user) { must(u, os.Truncate(u.path(bundle), 100<<20)) },
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): it has more than 4194304 bytes" + putBack,
		},
		"a signature of another file": {
			func(u *user) {
				u.write("OTHER.md", "be evil\n")
				u.succeeds(u.nono("trust", "sign", "OTHER.md"))
				u.write(bundle, u.read("OTHER.md.sigstore.json"))
				u.write("CLAUDE.md", "be evil\n")
			},
			"CLAUDE.md.sigstore.json is the signature of another file (OTHER.md), and lies beside CLAUDE.md" +
				"\n  put its own signature there; or sign it: nono trust sign CLAUDE.md\n",
		},
		"a link to another file": {
			func(u *user) {
				u.write("OTHER.md", "be kind\n")
				must(u, os.Remove(u.path("CLAUDE.md")))
				must(u, os.Symlink("OTHER.md", u.path("CLAUDE.md")))
			},
			`CLAUDE.md is a link to OTHER.md, and was a file of its own when key "default" signed it` +
				"\n  put back what was signed; or, where the link is right, sign it again: nono trust sign CLAUDE.md\n",
		},
		"a link elsewhere": {
			func(u *user) {
				u.write("~/evil.md", "be evil\n")
				must(u, os.Remove(u.path("CLAUDE.md")))
				must(u, os.Symlink("../evil.md", u.path("CLAUDE.md")))
			},
			"CLAUDE.md cannot be verified: CLAUDE.md is a link to ../evil.md" + putFile,
		},
		"a pipe": {
			func(u *user) {
				must(u, os.Remove(u.path("CLAUDE.md")))
				must(u, unix.Mkfifo(u.path("CLAUDE.md"), 0o600))
			},
			"CLAUDE.md cannot be verified: it is not a regular file" + putFile,
		},
		"another case beside it": {
			func(u *user) { u.write("claude.md", "be evil\n") },
			"claude.md may be taken for CLAUDE.md, which is signed, and is another file" +
				"\n  remove it, or give it another name\n",
		},
		"a character that is not seen, beside it": {
			func(u *user) { u.write("CLAUDE\u200b.md", "be evil\n") },
			`CLAUDE\u200b.md may be taken for CLAUDE.md, which is signed, and is another file` +
				"\n  remove it, or give it another name\n",
		},
		"signed by somebody else": {
			func(u *user) {
				u.succeeds(u.nono("trust", "keygen", "work", "--identity", u.identity()))
				u.write("CLAUDE.md", "be evil\n")
				was := filepath.Join(u.Home, ".local/state/nono/layers/trust/memory")
				kept := u.read(was) // whoever signs here is remembered; the other one signed elsewhere
				u.succeeds(u.nono("trust", "sign", "--key", "work", "CLAUDE.md"))
				must(u, os.WriteFile(was, []byte(kept), 0o600))
			},
			`CLAUDE.md is signed by somebody else: by key "work" (CLAUDE.md.sigstore.json), and by key "default" since DAY` +
				"\n  put back what was signed; or, where the new signer is right, have the old one forgotten: nono trust forget CLAUDE.md\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := signedFile(t)
			tt.do(u)
			r := u.agent()
			got := anyDay.ReplaceAllString(r.Stderr, "DAY")
			if want := "nono: error: layer trust: " + tt.says; r.Code != 125 || got != want {
				t.Errorf("%s\n--- want\n%s", r, want)
			}
			if u.exists("ran") {
				t.Error("the agent ran")
			}
		})
	}
}
