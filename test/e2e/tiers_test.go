//go:build linux

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/attack"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/test/hosts"
)

// TestDoctorAttack is the whole table of attacks as a user tries it, in each tier: with no sandbox,
// and in sessions of nono's. What is said to be open has to be open, or the table is out of date.
func TestDoctorAttack(t *testing.T) {
	// A host with no user namespaces lets nobody have one with no sandbox either.
	lacking := []string{
		// What root may do on the machine, and not in a user namespace of a test's.
		"E31 a file by its handle", "E09 raw sockets", "E09 packet sockets", "E39 the kernel's log", "E39 a device of the agent's own making",
		"E31 a user namespace", "E31 user and mount namespace", "E31 user and network namespace",
	}
	for _, test := range []struct {
		tier attack.Tier
		host hosts.Host
		// here are the attacks that do not work on such a host in the first place.
		here []string
	}{
		{attack.TierA, hosts.Host{}, nil},
		{attack.TierB, hosts.Host{NoNamespaces: true}, lacking},
	} {
		t.Run("tier "+string(test.tier), func(t *testing.T) {
			u := newUser(t)
			cmd := u.command("doctor", "--attack", "--json")
			if test.host != (hosts.Host{}) {
				hosts.On(t, cmd, test.host)
			}
			r := u.finish(u.begin(cmd, ""))
			var report attack.Report
			if err := bytejson.Unmarshal([]byte(r.Stdout), &report); err != nil {
				t.Fatalf("%v\n%s", err, r)
			}
			if report.Tier != test.tier || report.Sound() != (r.Code == 0) {
				t.Errorf("tier %q, exit code %d", report.Tier, r.Code)
			}
			for session, why := range report.Refused {
				t.Errorf("%s: %s", session, why)
			}
			for _, f := range report.Findings {
				name := f.Threat + " " + f.Tried
				switch {
				case f.Result == attack.NotHeld:
					t.Errorf("%s: %s", name, f.Why)
				case f.Result == attack.Held && f.By == "" && !(os.Getuid() == 0 && f.Threat == "E14"): // root's own processes have capabilities
					t.Errorf("%s is said to be open, and was answered with %q", name, f.Inside)
				case f.Result == attack.Inapplicable && !strings.HasPrefix(f.Why, "this machine lacks") && !slices.Contains(test.here, name):
					t.Errorf("%s: no control: %s", name, f.Why)
				}
			}
			if held := report.Count(attack.Held); held < 100 {
				t.Errorf("only %d were held", held)
			}
		})
	}
}
