//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrustKeys walks through the commands about keys, as two people who trust one another.
func TestTrustKeys(t *testing.T) {
	t.Parallel()
	ada, bob := newUser(t), newUser(t)
	r := ada.succeeds(ada.nono("trust", "keygen", "--identity", ada.identity()))
	for _, want := range []string{"the key default was made", "encrypted to " + ada.path("~/identity"), "the logs of your sessions"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("%q is missing: %s", want, r)
		}
	}
	pem := ada.succeeds(ada.nono("trust", "export-key")).Stdout
	bob.write("ada.pem", pem)
	r = bob.succeeds(bob.nono("trust", "add", "ada.pem", "--name", "ada"))
	id := ada.key("default").ID
	if !strings.Contains(r.Stderr, id) || bob.key("ada").ID != id || bob.key("ada").Where != "" || ada.key("default").Where != "age" {
		t.Errorf("it is another key: %s", r)
	}
	// openssl has the same ID of it.
	if openssl, err := exec.LookPath("openssl"); err == nil {
		out, err := exec.Command("sh", "-c", openssl+" pkey -pubin -outform DER -in "+bob.path("ada.pem")+" | sha256sum").Output()
		if err != nil || !strings.HasPrefix(string(out), id) {
			t.Errorf("openssl says %s, %v", out, err)
		}
	}
	if r := bob.finish(bob.start(pem, "trust", "add", "-", "--name", "ada")); r.Code != 0 {
		t.Errorf("the same once more: %s", r)
	}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"under another name":      {[]string{"trust", "add", "ada.pem", "--name", "eve"}, "it is trusted already, as ada"},
		"under no name":           {[]string{"trust", "add", "ada.pem"}, "a name for it"},
		"under what is no name":   {[]string{"trust", "add", "ada.pem", "--name", "../ada"}, "a key has a name of"},
		"what is not there":       {[]string{"trust", "add", "nowhere.pem", "--name", "x"}, "no such file"},
		"a key of this name":      {[]string{"trust", "keygen", "ada", "--identity", "x"}, "no key is ever overwritten"},
		"two places":              {[]string{"trust", "keygen", "x", "--age", "--keyring"}, "and not in both"},
		"a key that nobody has":   {[]string{"trust", "export-key", "eve"}, "nono trust keys"},
		"without asking":          {[]string{"trust", "revoke", "ada"}, "nono trust revoke --yes"},
		"a digest of what":        {[]string{"trust", "revoke", strings.Repeat("ab", 32), "--yes"}, "is it a key or a file?"},
		"what is no digest":       {[]string{"trust", "revoke", "sha256:ab", "--yes"}, "no digest of a file"},
		"neither keyring nor tty": {[]string{"trust", "keygen"}, "nono trust keygen default --identity FILE"},
	} {
		if r := bob.nono(test.args...); r.Code != 1 || !strings.Contains(r.Stderr, test.says) {
			t.Errorf("%s: it should say %q\n%s", name, test.says, r)
		}
	}
	bob.succeeds(bob.nono("trust", "revoke", "ada", "sha256:"+strings.Repeat("cd", 32), "--yes"))
	list := bob.succeeds(bob.nono("trust", "keys")).Stdout
	if strings.Count(list, "revoked on ") != 2 || !strings.Contains(list, "(ada)") || strings.Contains(list, "trusted") {
		t.Errorf("the list is\n%s", list)
	}
	if r := bob.nono("trust", "add", "ada.pem", "--name", "ada"); r.Code != 1 || !strings.Contains(r.Stderr, "it was revoked") {
		t.Errorf("a revoked key: %s", r)
	}
	// What decides what is trusted is not to be written by others.
	if err := os.Chmod(ada.path("~/.config/nono/trust"), 0o777); err != nil {
		t.Fatal(err)
	}
	if r := ada.nono("trust", "keys"); r.Code != 1 || !strings.Contains(r.Stderr, "chmod 700 ") {
		t.Errorf("others can write: %s", r)
	}
}

type listedKey struct{ Name, ID, Where, Identity string }

// key is one of the user's keys.
func (u *user) key(name string) listedKey {
	u.t.Helper()
	r := u.succeeds(u.nono("trust", "keys", "--json"))
	var all struct {
		Directory string
		Keys      []listedKey
	}
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil {
		u.t.Fatalf("%v\n%s", err, r)
	}
	for _, k := range all.Keys {
		if k.Name == name {
			return k
		}
	}
	u.t.Fatalf("there is no key %q in %s: %s", name, all.Directory, r)
	return listedKey{}
}

// TestTrustInit makes the key once, and names what there is to sign.
func TestTrustInit(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("CLAUDE.md", "be kind\n")
	u.write("a.py", "")
	if r := u.nono("trust", "init"); r.Code != 1 || !strings.Contains(r.Stderr, "nono trust keygen default --identity FILE") {
		t.Errorf("without a place for the key: %s", r)
	}
	u.succeeds(u.nono("trust", "keygen", "--identity", u.identity()))
	id := u.key("default").ID
	r := u.succeeds(u.nono("trust", "init"))
	if !strings.Contains(r.Stderr, id) || !strings.Contains(r.Stderr, "nono trust sign --key default CLAUDE.md\n") {
		t.Errorf("it says %s", r)
	}
	if u.key("default").ID != id {
		t.Error("it is another key")
	}
}

// No agent finds the keys, and none is in what a command prints.
func TestTrustKeysAreNotInside(t *testing.T) {
	t.Parallel()
	u := withKey(t)
	dir := u.path("~/.config/nono/trust")
	if _, err := os.Stat(filepath.Join(dir, "default.age")); err != nil { // the control
		t.Fatal(err)
	}
	r := u.nono("run", "--allow", "~", "--approve", "--", "sh", "-c",
		"ls "+dir+" && cat "+dir+"/default.age; touch "+dir+"/eve.pem")
	if r.Stdout != "" {
		t.Errorf("inside is %s", r)
	}
	if _, err := os.Lstat(filepath.Join(dir, "eve.pem")); err == nil {
		t.Error("an agent trusts a key")
	}
}
