//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
)

// agentsWithLogins are what the profiles of agents with an account are about.
var agentsWithLogins = []struct {
	profile, variable, own string
	// key is where the user has one, so that the login is not wanted inside.
	key string
	// beneath their own directory, or beside it: held and fresh are protected, where they are there
	login, settings, held, fresh, sessions string
}{
	{"codex", "CODEX_HOME", "~/.codex", "OPENAI_API_KEY", "auth.json", "config.toml", "hooks.json", "prompts", "sessions"},
	{"claude-code", "CLAUDE_CONFIG_DIR", "~/.claude", "ANTHROPIC_API_KEY", ".credentials.json", "../.claude.json", "settings.json", "commands", "projects"},
}

// takeLogin tries to read a login, to change it, and to put another in its place, by every name
// that leads there. It prints what worked.
const takeLogin = `own=$1 login=$2
did() { "${@:2}" >/dev/null 2>&1 && echo "$1"; }
for dir in "$own" "$moved"; do
	cat "$dir/$login" 2>/dev/null | grep -q "the user's login" && echo read
	ln "$dir/$login" linked 2>/dev/null && grep -q "the user's login" linked && echo linked
done
did renamed mv "$own/$login" "$own/elsewhere" && mv "$own/elsewhere" "$own/$login"
did written sh -c 'echo another >> "$1"' sh "$own/$login"
echo another >other
did replaced mv -f other "$own/$login"
did removed rm -f "$own/$login"
did moved mv "$own" "$own.away" && mv "$own.away" "$own"
exit 0
`

// TestLogins: with a key, an agent's login in its own directory can neither be read nor replaced,
// and the agent does its work there all the same, in both tiers: what it keeps is there the next
// time, and outside.
func TestLogins(t *testing.T) {
	for _, agent := range agentsWithLogins {
		for tier, on := range map[string]*hosts.Host{"A": nil, "B": {NoNamespaces: true}} {
			t.Run(agent.profile+" in tier "+tier, func(t *testing.T) {
				t.Parallel()
				u := newUser(t)
				u.Host = on
				u.Env = append(u.Env, agent.key+"=sk-real")
				u.write(agent.own+"/"+agent.login, "the user's login\n")
				u.write(agent.own+"/"+agent.settings, "the user's settings\n")
				u.write(agent.own+"/"+agent.held, "{}\n")
				takes := []string{"bash", "-c", `moved=${!3:-$1}` + "\n" + takeLogin, "bash", u.path(agent.own), agent.login, agent.variable}
				run := func(command ...string) result {
					t.Helper()
					args := []string{"run", "--profile", agent.profile, "--allow-cwd", "--"}
					r := u.succeeds(u.nono(append(args, command...)...))
					if !strings.Contains(r.Stderr, "; tier "+tier) {
						t.Fatalf("it is not in tier %s\n%s", tier, r)
					}
					return r
				}
				if r := run(takes...); r.Stdout != "" {
					t.Errorf("it got to the login\n%s", r)
				}
				if got := u.read(agent.own + "/" + agent.login); got != "the user's login\n" {
					t.Errorf("the login is %q", got)
				}

				// The work, twice. Where the variable names a directory, the settings beside it lie in that.
				first := fmt.Sprintf(`set -e
own=${%s:-%s}
settings=$own/%s
test -z "$%[1]s" || settings=$own/$(basename %[3]s)
grep -q "the user's settings" "$settings"
grep -q "{}" "$own/%[4]s"
! echo x 2>/dev/null >>"$own/%[4]s"
mkdir -p "$own/%[5]s"; echo first >"$own/%[5]s/1"
test -z "$%[1]s" || mkdir "$own/%[6]s"
echo database >"$own/state.sqlite"; touch "$own/state.sqlite-wal"; rm "$own/state.sqlite-wal"
echo "the agent's settings" >"$settings.new"; mv "$settings.new" "$settings" || cat "$settings.new" >"$settings"
`, agent.variable, u.path(agent.own), agent.settings, agent.held, agent.sessions, agent.fresh)
				second := fmt.Sprintf(`set -e
own=${%s:-%s}
grep -q first "$own/%s/1"; echo second >"$own/%[3]s/2"
grep -q outside "$own/%[3]s/3"
grep -q database "$own/state.sqlite"
`, agent.variable, u.path(agent.own), agent.sessions)
				run("bash", "-c", first)
				if got := u.read(agent.own + "/" + agent.settings); got != "the agent's settings\n" {
					t.Errorf("outside the settings are %q", got)
				}
				if u.exists(agent.own + "/" + agent.fresh) {
					t.Error("what programs outside act on was made there")
				}
				u.write(agent.own+"/"+agent.sessions+"/3", "outside\n")
				run("bash", "-c", second)
				if got := u.read(agent.own + "/" + agent.sessions + "/2"); got != "second\n" {
					t.Errorf("outside the second session is %q", got)
				}
				// The control: without nono all of it works.
				bare := exec.Command(takes[0], takes[1:]...)
				bare.Dir, bare.Env = u.Project, u.Env
				out, err := bare.Output()
				got := strings.Fields(string(out))
				if want := []string{"read", "linked", "read", "renamed", "written", "replaced", "removed", "moved"}; err != nil || !slices.Equal(got, want) {
					t.Errorf("without nono: %q (%v), want %q", got, err, want)
				}
				if _, err := os.Stat(u.path(agent.own + "/" + agent.login)); err == nil {
					t.Error("without nono the login is still there")
				}
			})
		}
	}
}
