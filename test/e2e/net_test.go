//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSessionNet: a real program is told in words what was denied to it, its user afterwards by
// which line each host was decided, and a service of the host's loopback is there where it was
// allowed.
func TestSessionNet(t *testing.T) {
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "from outside")
	}))
	defer served.Close()
	port := served.Listener.Addr().(*net.TCPAddr).Port
	u := newUser(t)
	u.write("agent.hcl", fmt.Sprintf(`
filesystem { allow = ["."] }
network {
  loopback = [%d]
  allow    = ["*.allowed.invalid"]
  deny     = ["not.allowed.invalid"]
}
`, port))
	u.write("prog.py", fmt.Sprintf(`
import urllib.request, urllib.error, socket
def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=20).read().decode()
    except urllib.error.HTTPError as e:
        return e.read().decode()
    except OSError as e:
        return repr(e)
print(ask("http://127.0.0.1:%d/"))
for host in ["not.allowed.invalid", "elsewhere.invalid"]:
    print(ask("http://%%s/" %% host))
    print(ask("http://%%s/" %% host))
    print(ask("https://%%s/" %% host))
    try:
        print("leads to", socket.gethostbyname(host))
    except OSError:
        print("no such name")
`, port))
	r := u.succeeds(u.nono("run", "--approve", "-c", "agent.hcl", "--", "/usr/bin/python3", "prog.py"))
	for _, words := range []string{
		"from outside", "nono: elsewhere.invalid:80 is denied: no rule allows it", `allow = ["elsewhere.invalid"]`,
		"Retrying will not help", "The rule: deny not.allowed.invalid:*", "agent.hcl:6:", "denied by nono, retrying will not help",
	} {
		if !strings.Contains(r.Stdout, words) {
			t.Errorf("the program does not hear %q:\n%s", words, r)
		}
	}
	if n := strings.Count(r.Stdout, "no such name"); n != 2 {
		t.Errorf("%d of 2 denied names do not exist:\n%s", n, r)
	}

	table := u.succeeds(u.nono("session", "net")).Stdout
	for _, line := range []string{
		"allowed 127.0.0.1 " + fmt.Sprint(port) + " 1 agent.hcl:4:",
		"denied not.allowed.invalid 80 2 agent.hcl:6:",
		"denied not.allowed.invalid 443 1 agent.hcl:6:",
		"denied elsewhere.invalid 80 2 - no rule allows it",
	} {
		if !strings.Contains(strings.Join(strings.Fields(table), " "), line) {
			t.Errorf("it is not told %q:\n%s", line, table)
		}
	}
	var entries []struct{ Decision, Host, Port string }
	out := u.succeeds(u.nono("session", "net", "--json", "--denied")).Stdout
	if err := json.Unmarshal([]byte(out), &entries); err != nil || len(entries) < 6 {
		t.Errorf("as JSON: %v\n%s", err, out)
	}
	for _, e := range entries {
		if e.Decision != "denied" {
			t.Errorf("%+v was not denied", e)
		}
	}
}
