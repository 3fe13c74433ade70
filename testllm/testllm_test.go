package testllm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// place is a stand-in, with a client that trusts it.
type place struct {
	t      *testing.T
	llm    *Running
	client *http.Client
}

func start(t *testing.T, o Options) place {
	t.Helper()
	llm, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: llm.Authority.Pool(), MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := llm.Close(); err != nil {
			t.Error(err)
		}
	})
	return place{t, llm, &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends a request with lines of headers, each "Name: value".
func (p place) ask(method, path, body string, headers ...string) (head, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.llm.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return head{res.StatusCode, res.ProtoMajor, res.Status, res.Header}, string(all)
}

// head is what came before the body of an answer.
type head struct {
	StatusCode, ProtoMajor int
	Status                 string
	Header                 http.Header
}

// forms are the ways in which a model is asked, each with a conversation of one question.
var forms = map[string]struct{ path, question, tools string }{
	"chat": {
		"/v1/chat/completions", `"messages":[{"role":"system","content":"x"},{"role":"user","content":[{"type":"text","text":"hello there"}]}]`,
		`"tools":[{"type":"function","function":{"name":"shell","parameters":{"properties":{"command":{"type":"array"}}}}}]`,
	},
	"responses": {
		"/v1/responses", `"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hello there"}]}]`,
		`"tools":[{"type":"function","name":"exec_command","parameters":{"properties":{"cmd":{"type":"string"}}}},{"type":"custom","name":"apply_patch"}]`,
	},
	"messages": {
		"/v1/messages", `"max_tokens":9,"messages":[{"role":"user","content":"hello there"}]`,
		`"tools":[{"name":"Bash","input_schema":{"properties":{"command":{"type":"string"},"description":{"type":"string"}}}},{"name":"Read","input_schema":{"properties":{"file_path":{"type":"string"}}}},{"name":"Edit","input_schema":{"properties":{"file_path":{},"old_string":{},"new_string":{}}}},{"name":"Write","input_schema":{"properties":{"file_path":{},"content":{}}}}]`,
	},
}

func (p place) key(form string) string {
	if form == "messages" {
		return "X-Api-Key: " + p.llm.Keys.Anthropic
	}
	return "Authorization: Bearer " + p.llm.Keys.OpenAI
}

// Without a script it repeats what it was told: in one piece, and word by word.
func TestRepeats(t *testing.T) {
	p := start(t, Options{})
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			p := place{t, p.llm, p.client}
			res, body := p.ask("POST", form.path, `{"model":"m",`+form.question+`}`, p.key(name))
			if res.StatusCode != http.StatusOK || !strings.Contains(body, "You said: hello there") || !json.Valid([]byte(body)) {
				t.Errorf("%s: %s", res.Status, body)
			}
			res, body = p.ask("POST", form.path, `{"model":"m","stream":true,`+form.question+`}`, p.key(name))
			if res.Header.Get("Content-Type") != "text/event-stream" || res.ProtoMajor != 2 {
				t.Errorf("HTTP/%d %v", res.ProtoMajor, res.Header)
			}
			for line := range strings.Lines(body) {
				data, is := strings.CutPrefix(line, "data: ")
				if is && data != "[DONE]\n" && !json.Valid([]byte(data)) {
					t.Errorf("an event is %q", line)
				}
			}
			if !strings.Contains(body, `"hello "`) || !strings.Contains(body, `"there"`) {
				t.Errorf("got %s", body)
			}
		})
	}
}

// A script is done step by step, by the tools that the agent has.
func TestScript(t *testing.T) {
	script, err := ReadScript(strings.NewReader(`[
		{"run": "ls -l"},
		{"edit": {"path": "/p/a.txt", "old": "one", "new": "two"}},
		{"say": "it is done"}
	]`))
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, Options{Script: script})
	for name, want := range map[string][]string{
		"chat":      {`["bash","-c","ls -l"]`, `*** Update File: /p/a.txt`, "it is done", noMore},
		"responses": {`{"cmd":"ls -l"}`, `*** Begin Patch`, "it is done", noMore},
		"messages":  {`"command":"ls -l"`, `{"file_path":"/p/a.txt"}`, `"old_string":"one"`, "it is done", noMore},
	} {
		form := forms[name]
		for i, part := range want {
			turn := `{"role":"assistant","content":"x"},`
			question := strings.Replace(form.question, "[", "["+strings.Repeat(turn, i), 1)
			for _, stream := range []string{"false", "true"} {
				_, body := p.ask("POST", form.path,
					`{"model":"m","stream":`+stream+`,`+form.tools+`,`+question+`}`, p.key(name))
				if plain := strings.ReplaceAll(body, `\`, ""); !strings.Contains(plain, part) && !saysInPieces(body, part) {
					t.Errorf("%s, turn %d, stream %s: %q is not in %s", name, i, stream, part, body)
				}
			}
		}
		if _, body := p.ask("POST", form.path, `{"model":"m",`+form.question+`}`, p.key(name)); !strings.Contains(body, noMore) {
			t.Errorf("%s: what offers no tool got %s", name, body)
		}
	}
}

// saysInPieces reports whether all words of a text come in a stream.
func saysInPieces(body, text string) bool {
	for _, word := range strings.Fields(text) {
		if !strings.Contains(body, word) {
			return false
		}
	}
	return true
}

func TestReadScript(t *testing.T) {
	for _, bad := range []string{`{}`, `[{}]`, `[{"say":"a","run":"b"}]`, `[{"do":"x"}]`, `[`} {
		if _, err := ReadScript(strings.NewReader(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// Another key, that of the other provider, or none: nobody is let in, and told so in the provider's
// own form.
func TestKeys(t *testing.T) {
	p := start(t, Options{})
	for _, header := range []string{
		"Authorization: Bearer sk-mine", "Authorization: " + p.llm.Keys.OpenAI[:10], "X-Other: y",
		"Authorization: Bearer " + p.llm.Keys.Anthropic,
	} {
		res, body := p.ask("GET", "/v1/models", "", header)
		if res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"code":"invalid_api_key"`) {
			t.Errorf("%s: %s %s", header, res.Status, body)
		}
	}
	for _, header := range []string{
		"X-Api-Key: sk-mine", "X-Api-Key: " + p.llm.Keys.OpenAI, "Anthropic-Version: 2023-06-01",
	} {
		res, body := p.ask("GET", "/v1/models", "", header)
		if res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"type":"authentication_error"`) {
			t.Errorf("%s: %s %s", header, res.Status, body)
		}
	}
	for _, name := range []string{"chat", "messages"} { // the control
		if res, body := p.ask("GET", "/v1/models", "", p.key(name)); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
	}
	var in int
	for _, r := range p.llm.Requests() {
		if r.In != (r.Status == http.StatusOK) {
			t.Errorf("remembered is %+v", r)
		}
		if r.In {
			in++
		}
	}
	if in != 2 {
		t.Errorf("%d were let in", in)
	}
	if empty := New(Options{Keys: Keys{OpenAI: "x"}}); empty.Keys.Anthropic != "" {
		t.Error("a key is made beside one that is given")
	}
}

func TestAttacks(t *testing.T) {
	p := start(t, Options{})
	auth := p.key("chat")
	res, body := p.ask("POST", reflectPath+"?split=3&status=418", "the body", auth)
	if res.StatusCode != http.StatusTeapot || !strings.Contains(body, p.llm.Keys.OpenAI) ||
		!strings.Contains(res.Header.Get("X-Reflected-Authorization"), p.llm.Keys.OpenAI) ||
		!strings.HasSuffix(body, "\n\nthe body") {
		t.Errorf("%s %v %s", res.Status, res.Header, body)
	}
	res, _ = p.ask("GET", redirectPath+"?to=https://evil.test/x&status=302", "", auth)
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "https://evil.test/x" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	if _, body = p.ask("GET", eventsPath+"?n=3&every=1ms", "", auth); strings.Count(body, "data: ") != 3 {
		t.Errorf("got %s", body)
	}
	_, body = p.ask("PUT", uploadPath, "abc", auth)
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; !strings.Contains(body, want) {
		t.Errorf("got %s", body)
	}
	if res, _ := p.ask("GET", reflectPath, ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %s", res.Status)
	}
}

// Who goes away is not waited for.
func TestGone(t *testing.T) {
	s := New(Options{Think: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	form := forms["chat"]
	r := httptest.NewRequestWithContext(ctx, "POST", form.path, strings.NewReader(`{`+form.question+`}`))
	r.Header.Set("Authorization", "Bearer "+s.Keys.OpenAI)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Body.Len() > 0 {
		t.Errorf("it answers %s", w.Body)
	}
}

// codex's newer models have their tools in the conversation and call them from JavaScript.
func TestScriptInJavaScript(t *testing.T) {
	p := start(t, Options{Script: Script{{Run: `echo "a b"`}}})
	_, body := p.ask("POST", "/v1/responses", `{"model":"m","input":[
		{"type":"additional_tools","tools":[{"type":"namespace","name":"functions","tools":[{"type":"custom","name":"exec"}]}]},
		{"type":"message","role":"user","content":"go"}]}`, p.key("responses"))
	var answer struct {
		Output []struct{ Type, Name, Input string } `json:"output"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Output) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	want := struct{ Type, Name, Input string }{
		"custom_tool_call", "exec", `text(await tools.exec_command({"cmd":"echo \"a b\""}))`,
	}
	if answer.Output[0] != want {
		t.Errorf("got %+v", answer.Output[0])
	}
}

// What OpenAI has on a WebSocket.
func TestRealtime(t *testing.T) {
	p := start(t, Options{})
	config, err := websocket.NewConfig("wss"+strings.TrimPrefix(p.llm.URL, "https")+"/v1/realtime", p.llm.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.TlsConfig = &tls.Config{RootCAs: p.llm.Authority.Pool(), MinVersion: tls.VersionTLS12}
	if conn, err := config.DialContext(t.Context()); err == nil {
		conn.Close()
		t.Error("it lets in who has no key")
	}
	config.Header.Set("Authorization", "Bearer "+p.llm.Keys.OpenAI)
	conn, err := config.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, e := range []string{
		`{"type":"conversation.item.create","item":{"content":[{"type":"input_text","text":"hello"}]}}`,
		`{"type":"response.create"}`,
	} {
		if err := websocket.Message.Send(conn, e); err != nil {
			t.Fatal(err)
		}
	}
	var text, last string
	for last != "response.done" {
		var e struct{ Type, Delta string }
		if err := websocket.JSON.Receive(conn, &e); err != nil {
			t.Fatal(err)
		}
		text, last = text+e.Delta, e.Type
	}
	if !strings.HasSuffix(text, "You said: hello") {
		t.Errorf("it says %q", text)
	}
}
