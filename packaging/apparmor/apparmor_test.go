package apparmor_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/packaging/apparmor"
)

func TestAt(t *testing.T) {
	profile, err := apparmor.At("/home/ada/.local/bin/nono")
	if err != nil || !strings.Contains(profile, "\n@{nono}=/home/ada/.local/bin/nono\n") || strings.Contains(profile, "/usr/bin/nono") {
		t.Errorf("%v\n%s", err, profile)
	}
	for _, path := range []string{"/home/a b/nono", "/x/*", "/x\nuserns,", "/x{a,b}", `/x"`} {
		if profile, err := apparmor.At(path); err == nil {
			t.Errorf("%q is taken:\n%s", path, profile)
		}
	}
}

// TestParsed: AppArmor's own parser understands the profile. One before 4.0 does not know the rule
// that the profile is for, nor that version's list of features, and is asked about the rest.
func TestParsed(t *testing.T) {
	const parser = "/usr/sbin/apparmor_parser" // where an ordinary user's PATH does not lead
	if _, err := os.Stat(parser); err != nil {
		t.Skip("this machine lacks apparmor_parser")
	}
	profile, err := apparmor.At("/usr/local/bin/nono")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/etc/apparmor.d/abi/4.0"); err != nil {
		for _, newer := range []string{"abi <abi/4.0>,\n", "  userns,\n"} {
			if !strings.Contains(profile, newer) {
				t.Errorf("the profile has no %q", newer)
			}
			profile = strings.Replace(profile, newer, "", 1)
		}
		t.Log("AppArmor is older than 4.0: `userns` is only written")
	}
	for _, text := range []string{profile, strings.Replace(profile, "flags=(", "flagz=(", 1)} {
		cmd := exec.Command(parser, "--skip-kernel-load", "--skip-cache", "--names")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if right := text == profile; right != (err == nil && bytes.Contains(out, []byte("nono"))) {
			t.Errorf("%v\n%s\nof\n%s", err, out, text)
		}
	}
}
