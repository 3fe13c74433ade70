//go:build linux

package credentials

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/testllm"
)

// counts uses both services and prints how many bytes came from openai, one number a request. What
// it asks of anthropic last is still coming when it ends.
const counts = `
ask() { curl -s -o /dev/null -w '%{size_download}\n' -H "Authorization: Bearer $OPENAI_API_KEY" "$@"; }
ask "$OPENAI_BASE_URL/models?[1-40]"
ask "$OPENAI_BASE_URL/stand-in/events?n=5&every=20ms"
ask "$OPENAI_BASE_URL/chat/completions" -d '{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
curl -s -o /dev/null -H 'Authorization: Bearer mine' "$OPENAI_BASE_URL/models"
head -c 100000 /dev/zero | curl -s -o /dev/null -H "x-api-key: $ANTHROPIC_API_KEY" \
	--data-binary @- "$ANTHROPIC_BASE_URL/v1/stand-in/upload"
exec 3< <(exec curl -sN -H "x-api-key: $ANTHROPIC_API_KEY" "$ANTHROPIC_BASE_URL/v1/stand-in/events?n=100000&every=10ms")
read -ru 3`

// sentToOpenAI is what it sends there.
const sentToOpenAI = len(`{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}`)

// shown is what `nono session show --json` says of the last session.
func (u *user) shown() *store.Record {
	u.T.Helper()
	r := u.Succeeds(u.Command(base+"/bin/nono", "session", "show", "--json"))
	var told struct{ Session *store.Record }
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil || told.Session == nil {
		u.T.Fatalf("%v\n%s", err, r)
	}
	return told.Session
}

// TestTotals counts all requests of a session exactly: those that the log folds, streams, one that is
// refused, and one that the end of the agent cuts off.
func TestTotals(t *testing.T) {
	_, llm := providers(t, testllm.Options{})
	u := newUser(t)
	u.having(llm)
	r := u.Succeeds(u.inside(both, "bash", "-c", counts))
	received := uint64(0)
	sizes := strings.Fields(r.Stdout)
	for _, size := range sizes {
		n, err := strconv.ParseUint(size, 10, 64)
		if err != nil || n == 0 {
			t.Fatalf("%q: %v\n%s", size, err, r)
		}
		received += n
	}
	if seen := len(llm.Requests()); len(sizes) != 42 || seen != 44 {
		t.Fatalf("the agent had %d answers, and the providers saw %d requests\n%s", len(sizes), seen, r)
	}
	if log := u.Succeeds(u.Command(base+"/bin/nono", "logs")).Stdout; !strings.Contains(log, " requests=") ||
		strings.Count(log, "credential.used") >= 44 {
		t.Errorf("nothing is folded in the log:\n%s", log)
	}
	end := u.shown().End
	all := map[string]store.Requests{}
	for _, c := range end.Credentials {
		all[c.Service] = c
	}
	openai := store.Requests{
		Service: "openai", Requests: 43, Refused: 1, Sent: uint64(sentToOpenAI), Received: received,
	}
	if all["openai"] != openai {
		t.Errorf("got  %+v\nwant %+v", all["openai"], openai)
	}
	other := all["anthropic"]
	if other.Requests != 2 || other.Refused != 0 || other.Sent != 100000 || other.Received == 0 {
		t.Errorf("got %+v", other)
	}
	text := u.Succeeds(u.Command(base+"/bin/nono", "session", "show")).Stdout
	if !strings.Contains(text, "openai: 43, of which 1 refused; "+strconv.Itoa(sentToOpenAI)+" bytes sent, ") {
		t.Error(text)
	}
}

// TestTotalsNotKnown: with a layer that is killed goes what it has counted, and that is said.
func TestTotalsNotKnown(t *testing.T) {
	_, llm := providers(t, testllm.Options{})
	u := newUser(t)
	u.having(llm)
	a := u.begin(u.inside(both, "bash", "-c", `
		curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/models"
		read -r`))
	if got := a.line(); got != "200" {
		t.Fatalf("the provider answers %s", got)
	}
	processes := u.shown().Processes
	at := slices.IndexFunc(processes, func(p store.Process) bool { return p.Is == "layer credproxy" })
	if at < 0 {
		t.Fatalf("there is no layer among %+v", processes)
	}
	if err := syscall.Kill(processes[at].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Wait(); err == nil {
		t.Error("the run goes well without its layer")
	}
	if end := u.shown().End; end == nil || end.Credentials != nil {
		t.Errorf("the session ended so: %+v", end)
	}
	text := u.Succeeds(u.Command(base+"/bin/nono", "session", "show")).Stdout
	if !strings.Contains(text, "requests   not known") {
		t.Error(text)
	}
}
