package session

import "testing"

// TestHandled: under the limit that is set, only a socket hears of a crash; under one of 0 a
// program does as well.
func TestHandled(t *testing.T) {
	for pattern, want := range map[string][2]bool{
		"core": {}, "/var/crash/%p": {}, "": {},
		"|/usr/lib/systemd/systemd-coredump %P": {false, true},
		"@/run/crash.socket":                    {true, true},
	} {
		for i, zero := range []bool{false, true} {
			if got := handled(pattern, zero) != ""; got != want[i] {
				t.Errorf("%q, a limit of 0: %v: got %v", pattern, zero, got)
			}
		}
	}
}
