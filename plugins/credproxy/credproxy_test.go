package credproxy

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/policy"
)

// The library reads whom this machine trusts once, so it is told before any test that this is the
// stand-in's certificate.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(nil)
	dir, err := os.MkdirTemp("", "credproxy")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	if err := os.WriteFile(file, block, 0o600); err != nil {
		panic(err)
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// open is the layer without what a test cannot take back.
func open() sdk.Layer {
	confined := func(...string) (confine.Report, error) {
		return confine.Report{}, confine.ErrUnsupported
	}
	return &layer{hide: func() error { return nil }, confine: confined}
}

func TestConformance(t *testing.T) { layertest.Conformance(t, open, layertest.Options{}) }

const key = "sk-real-0123456789"

func credential(service, upstream string, keys ...policy.KeySource) policy.Credential {
	return policy.Credential{
		ID: policy.RuleID("credentials." + service), Service: service, Upstream: upstream, Keys: keys,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--credential " + service},
		Place: policy.KeyPlace{
			Type: policy.HeaderPlace, Name: "Authorization", Format: "Bearer {}",
		},
		KeyVariable: strings.ToUpper(service) + "_API_KEY",
		URLVariable: strings.ToUpper(service) + "_BASE_URL",
	}
}

func variable(name string) policy.KeySource {
	return policy.KeySource{Type: policy.VariableSource, Name: name}
}

func request(variables map[string]string, all ...policy.Credential) *sdk.PlanRequest {
	req := layertest.Request(nil)
	req.Policy.Credentials = all
	req.HostVariables = variables
	req.Host.UID = os.Getuid()
	return req
}

var hexadecimal = regexp.MustCompile(`^[0-9a-f]{64}$`)

// The agent has a token in the key's place, another one for each service and each session, and is
// led to the listener; what reaches core has no key in it.
func TestPlan(t *testing.T) {
	acme := credential("acme", "https://api.acme.example:8443", variable("ACME"))
	acme.Prefix = "acme-"
	req := request(map[string]string{"KEY": key, "ACME": key},
		acme, credential("openai", "https://api.openai.com/v1", variable("NONE"), variable("KEY")))
	tokens := map[string]bool{}
	for range 2 {
		kit := layertest.New(t, open())
		answer := kit.Plan(req)
		if all := fmt.Sprint(answer.Fragment, answer.Coverage, answer.Facts, answer.Diagnostics); strings.Contains(all, key) {
			t.Errorf("the key is told: %s", all)
		}
		for service, prefix := range map[string]string{"openai": "", "acme": "acme-"} {
			token := string(answer.Secrets[service].Reveal())
			tokens[token] = true
			if text, ok := strings.CutPrefix(token, prefix); !ok || !hexadecimal.MatchString(text) {
				t.Errorf("%s: the token is %q", service, token)
			}
		}
		want := []fragment.Step{
			fragment.Listener{For: "credentials.acme", Name: "acme", Network: fragment.TCP},
			fragment.Env{For: "credentials.acme", Name: "ACME_API_KEY", Value: fragment.Value{fragment.SecretValue("acme")}},
			fragment.Env{For: "credentials.acme", Name: "ACME_BASE_URL", Value: fragment.Value{fragment.Literal("http://"), fragment.ListenerAddress("acme")}},
			fragment.Listener{For: "credentials.openai", Name: "openai", Network: fragment.TCP},
			fragment.Env{For: "credentials.openai", Name: "OPENAI_API_KEY", Value: fragment.Value{fragment.SecretValue("openai")}},
			fragment.Env{For: "credentials.openai", Name: "OPENAI_BASE_URL", Value: fragment.Value{fragment.Literal("http://"), fragment.ListenerAddress("openai"), fragment.Literal("/v1")}},
		}
		if fmt.Sprint(answer.Fragment.Steps) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", answer.Fragment.Steps, want)
		}
		facts := []fact.Fact{
			fact.BoundHost{Service: "acme", Host: "api.acme.example", Port: 8443},
			fact.BoundHost{Service: "openai", Host: "api.openai.com", Port: 443},
		}
		if !slices.Equal(answer.Facts, facts) {
			t.Errorf("got %v", answer.Facts)
		}
		for _, c := range answer.Coverage {
			if c.Held != sdk.Enforced || !strings.Contains(c.By, "env://") {
				t.Errorf("%+v", c)
			}
		}
	}
	if len(tokens) != 4 {
		t.Errorf("there are %d tokens, want 4", len(tokens))
	}
}

// A plan is made without the key, and says that a run would be refused.
func TestMissingInADryRun(t *testing.T) {
	req := request(nil, credential("openai", "https://api.openai.com/v1", variable("OPENAI_API_KEY")))
	req.DryRun = true
	answer := layertest.New(t, open()).Plan(req)
	if len(answer.Diagnostics) != 1 || len(answer.Coverage) != 1 || len(answer.Fragment.Steps) == 0 {
		t.Fatalf("got %+v", answer)
	}
	d := answer.Diagnostics[0]
	if d.Severity != sdk.SeverityWarning || answer.Coverage[0].Held != sdk.Enforced ||
		!strings.Contains(d.Summary, "a run would be refused") {
		t.Errorf("got %+v, %+v", d, answer.Coverage)
	}
}

// A service that cannot be used is told with its line: where was looked, and what to do.
func TestMissing(t *testing.T) {
	nowhere := policy.KeySource{Type: policy.FileSource, Name: "/nonexistent/key"}
	ring := policy.KeySource{Type: policy.KeyringSource, Name: "openai"}
	openai := credential("openai", "https://api.openai.com/v1", ring, variable("OPENAI_API_KEY"), nowhere)
	optional := openai
	optional.Optional = true
	denied := credential("openai", "https://api.openai.com/v1", variable("KEY"))
	twoLines := credential("openai", "https://api.openai.com/v1", variable("LINES"))
	header := credential("openai", "http://api.openai.com/v1", variable("KEY"))
	for name, test := range map[string]struct {
		credential policy.Credential
		severity   sdk.Severity
		held       sdk.Held
		want       []string
	}{
		"missing": {openai, sdk.SeverityError, sdk.Unavailable, []string{
			"no source has the key of openai", "keyring://openai: there is no session bus",
			"env://OPENAI_API_KEY: it is not set", "file:///nonexistent/key", "nono credential set openai",
		}},
		"optional": {optional, sdk.SeverityWarning, sdk.Enforced, []string{"no source has the key of openai"}},
		"denied":   {denied, sdk.SeverityError, sdk.Unavailable, []string{"api.openai.com is denied, by --deny-host"}},
		"no key":   {twoLines, sdk.SeverityError, sdk.Unavailable, []string{"more than one line"}},
		"no https": {header, sdk.SeverityError, sdk.Unavailable, []string{"https"}},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(map[string]string{"KEY": key, "LINES": "a\nb"}, test.credential)
			if name == "denied" {
				req.Policy.Network.Hosts = []policy.HostRule{{
					ID: "network.deny.0", Action: policy.HostDeny, Host: "api.openai.com",
					Source: policy.Source{Origin: policy.OriginFlag, Flag: "--deny-host api.openai.com"},
				}}
			}
			answer := layertest.New(t, open()).Plan(req)
			if len(answer.Diagnostics) != 1 || len(answer.Coverage) != 1 || len(answer.Fragment.Steps) > 0 {
				t.Fatalf("got %+v", answer)
			}
			d := answer.Diagnostics[0]
			if d.Severity != test.severity || d.Rule != "credentials.openai" || answer.Coverage[0].Held != test.held {
				t.Errorf("got %+v, %+v", d, answer.Coverage)
			}
			for _, want := range test.want {
				if !strings.Contains(d.Summary+"\n"+d.Detail, want) {
					t.Errorf("%q is not in:\n%s\n%s", want, d.Summary, d.Detail)
				}
			}
			missing, ok := answer.Facts[0].(fact.CredentialMissing)
			if !ok || missing.Service != "openai" || len(answer.Facts) != 1 {
				t.Errorf("got %v", answer.Facts)
			}
		})
	}
}

// Where something stands in for a key that is missing, core is told so and why, and the run is not
// refused; a dry run says the same. A login that is not there stands in for nothing, nor does one
// where a source has what is no key.
func TestFallback(t *testing.T) {
	login := func(is policy.FileType, key policy.KeySource) policy.Credential {
		c := credential("openai", "https://api.openai.com/v1", key)
		c.Fallback = &policy.Fallback{Filesystem: []policy.PathRule{
			{
				Access: policy.Write, Path: "/home/ada/.codex/auth.json", Type: is,
				Source: policy.Source{Origin: policy.OriginProfile},
			},
		}}
		return c
	}
	none, two := variable("OPENAI_API_KEY"), variable("LINES")
	for name, test := range map[string]struct {
		credential policy.Credential
		dry        bool
		refused    string // a part of what is said; empty: the fallback holds
	}{
		"a login":               {credential: login(policy.Regular, none)},
		"a login, in a dry run": {credential: login(policy.Regular, none), dry: true},
		"no login":              {login(policy.Missing, none), false, "log in with the agent itself, without nono: /home/ada/.codex/auth.json"},
		"no key":                {login(policy.Regular, two), false, "more than one line"},
		"neither":               {credential("openai", "https://api.openai.com/v1", none), false, "no source has"},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(map[string]string{"LINES": "a\nb"}, test.credential)
			req.DryRun = test.dry
			answer := layertest.New(t, open()).Plan(req)
			if len(answer.Facts) != 1 || len(answer.Coverage) != 1 || len(answer.Fragment.Steps) > 0 {
				t.Fatalf("got %+v", answer)
			}
			if test.refused != "" {
				if len(answer.Diagnostics) != 1 || answer.Coverage[0].Held != sdk.Unavailable ||
					!strings.Contains(answer.Diagnostics[0].Summary+answer.Diagnostics[0].Detail, test.refused) {
					t.Errorf("%q is not in %+v", test.refused, answer)
				}
				return
			}
			missing, ok := answer.Facts[0].(fact.CredentialMissing)
			if !ok || missing.Service != "openai" || !strings.Contains(missing.Why, "env://OPENAI_API_KEY: it is not set") {
				t.Errorf("got %+v", answer.Facts)
			}
			if len(answer.Diagnostics) > 0 || answer.Coverage[0].Held != sdk.Enforced {
				t.Errorf("got %+v, %+v", answer.Diagnostics, answer.Coverage)
			}
		})
	}
}

// A request with the token is sent on with the key, one with the token of another service is not,
// and what is told of both holds neither.
func TestServe(t *testing.T) {
	seen := make(chan string, 10)
	upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Method + " " + r.RequestURI + " " + r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(upstream.Close)
	req := request(map[string]string{"ONE": key + "1", "TWO": key + "2"},
		credential("one", upstream.URL+"/v1", variable("ONE")),
		credential("two", upstream.URL, variable("TWO")))
	kit := layertest.New(t, open())
	answer := kit.Plan(req)
	sockets := layertest.Listeners(t, answer.Fragment)
	kit.Start(&sdk.StartRequest{Run: req.Run, Secrets: answer.Secrets}, sockets)

	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	ask := func(listener, service string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+address(t, sockets[listener])+"/v1/x?secret=y", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+string(answer.Secrets[service].Reveal()))
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for service, k := range map[string]string{"one": key + "1", "two": key + "2"} {
		if status, body := ask(service, service); status != http.StatusOK || body != "answer" {
			t.Fatalf("%s: %d %s", service, status, body)
		}
		if got, want := <-seen, "GET /v1/x?secret=y Bearer "+k; got != want {
			t.Errorf("the service saw %q, want %q", got, want)
		}
	}
	for _, pair := range [][2]string{{"one", "two"}, {"two", "one"}} {
		if status, _ := ask(pair[0], pair[1]); status != http.StatusUnauthorized || len(seen) > 0 {
			t.Errorf("%s with the token of %s: %d", pair[0], pair[1], status)
		}
	}
	used, refused := kit.WaitEvent(eventUsed), kit.WaitEvent(eventRefused)
	for _, e := range []sdk.Event{used, refused} {
		all := fmt.Sprint(e)
		for _, never := range []string{key, "secret", string(answer.Secrets["one"].Reveal()), string(answer.Secrets["two"].Reveal())} {
			if strings.Contains(all, never) {
				t.Errorf("told: %s", all)
			}
		}
	}
	if f := used.Fields; f["method"] != "GET" || f["path"] != "/v1/x" || f["status"] != "200" || f["received"] != "6" {
		t.Errorf("told: %v", f)
	}
	if refused.Fields["status"] != "401" || refused.Fields["why"] == "" {
		t.Errorf("told: %v", refused.Fields)
	}
	kit.Finish(&sdk.FinishRequest{
		Run: req.Run, Secrets: answer.Secrets, End: sdk.End{Reason: sdk.EndExited},
	})
	total := kit.WaitEvent(eventTotal)
	if f := total.Fields; f["requests"] != "2" || f["refused"] != "1" || f["sent"] != "0" || f["received"] != "6" {
		t.Errorf("told: %v", f)
	}
	if conn, err := net.Dial("tcp", address(t, sockets["one"])); err == nil {
		_ = conn.Close() // the test's own copy of the socket may still take it
	}
	if stopped := kit.Stopped(); len(stopped) > 0 {
		t.Errorf("the layer asked for the end: %v", stopped)
	}
}

func address(t *testing.T, socket *os.File) string {
	t.Helper()
	l, err := net.FileListener(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// A name that leads into the user's own network is not gone after, unless a rule names the address;
// an upstream that is an address is meant.
func TestPermit(t *testing.T) {
	inside := policy.Network{Hosts: []policy.HostRule{{
		ID: "network.allow.0", Action: policy.HostAllow, Host: "10.0.0.0/8",
	}}}
	const own = "10.9.9.9"
	itself := policy.Network{Hosts: []policy.HostRule{{
		ID: "network.allow.0", Action: policy.HostAllow, Host: own + "/32",
	}}}
	for _, test := range []struct {
		host, addr string
		network    policy.Network
		want       bool
	}{
		{"api.example.com", "127.0.0.1", policy.Network{}, false},
		{"api.example.com", "10.1.2.3", policy.Network{}, false},
		{"api.example.com", "10.1.2.3", inside, true},
		{"api.example.com", own, policy.Network{}, false},
		{"api.example.com", own, inside, false}, // it takes a rule of its own
		{"api.example.com", own, itself, true},
		{"api.example.com", "169.254.169.254", policy.Network{}, false},
		{"api.example.com", "::1", policy.Network{}, false},
		{"api.example.com", "93.184.215.14", policy.Network{}, true},
		{"127.0.0.1", "127.0.0.1", policy.Network{}, true},
		{"127.0.0.1", "127.0.0.2", policy.Network{}, false},
	} {
		d := dialer{
			end:    end{host: test.host, port: 443},
			decide: policy.NewDecider(&policy.Policy{Network: test.network}),
			isOwn:  func(addr netip.Addr) (bool, error) { return addr.String() == own, nil },
		}
		if err := d.permit(netip.MustParseAddr(test.addr), 443); (err == nil) != test.want {
			t.Errorf("%s at %s: %v", test.host, test.addr, err)
		}
	}
}

// Whatever the transport asks for, one host is connected to.
func TestDialler(t *testing.T) {
	d := dialer{end: end{host: "api.example.com", port: 443}}
	for _, to := range [][2]string{{"evil.example", "443"}, {"api.example.com", "80"}, {"127.0.0.1", "443"}, {"a b", "443"}} {
		if conn, err := d.to(t.Context(), to[0], to[1]); err == nil {
			_ = conn.Close()
			t.Errorf("%v is connected to", to)
		}
	}
}

// Each host of git's has a listener of its own, is bound, and is let into with the same token.
func TestPlanGit(t *testing.T) {
	forge := credential("forge", "https://forge.example/api", variable("KEY"))
	forge.Git, forge.GitUser = []string{"forge.example", "old.example:8443"}, "oauth2"
	req := request(map[string]string{"KEY": key}, forge)
	req.Policy.Network.Hosts = []policy.HostRule{{
		ID: "network.deny.0", Action: policy.HostDeny, Host: "old.example", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--deny-host old.example"},
	}}
	answer := layertest.New(t, open()).Plan(req)
	want := []fact.Fact{
		fact.BoundHost{Service: "forge", Host: "forge.example", Port: 443},
		fact.BoundHost{Service: "forge", Host: "forge.example", Port: 443},
		fact.GitHost{Host: "forge.example", Listener: "forge/forge.example", Secret: "forge", Layer: "credproxy"},
	}
	if !slices.Equal(answer.Facts, want) {
		t.Errorf("got  %v\nwant %v", answer.Facts, want)
	}
	listeners := 0
	for _, s := range answer.Fragment.Steps {
		if _, ok := s.(fragment.Listener); ok {
			listeners++
		}
	}
	const told = "git does not reach old.example:8443 with the key of forge: old.example is denied, by --deny-host old.example"
	if listeners != 2 || len(answer.Diagnostics) != 1 || answer.Diagnostics[0].Summary != told {
		t.Errorf("%d listeners, and told is %v", listeners, answer.Diagnostics)
	}
}

// A secret for the agent's environment is handed over, with whose rule it is; in a dry run a stand-in
// is, and no command is run. What none has is told with where was looked.
func TestSecrets(t *testing.T) {
	secret := func(n int, name string, from policy.KeySource) policy.EnvRule {
		return policy.EnvRule{
			ID: policy.RuleID(fmt.Sprintf("credentials.environment.%d", n)), Action: policy.EnvSecret, Name: name, From: from,
			Source: policy.Source{Origin: policy.OriginFlag, Flag: "--env-credential " + name},
		}
	}
	dir := t.TempDir()
	touched := filepath.Join(dir, "touched")
	if err := os.WriteFile(dir+"/key", []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	touch := policy.KeySource{Type: policy.CommandSource, Name: "/bin/sh", Args: []string{"-c", ": > " + touched + "; cat " + dir + "/key"}}
	req := request(map[string]string{"KEY": key, "PATH": "/usr/bin:/bin"})
	req.Policy.Environment = []policy.EnvRule{
		secret(0, "A", variable("KEY")), secret(1, "B", touch), secret(2, "C", variable("NONE")),
	}
	for _, dry := range []bool{true, false} {
		req.DryRun = dry
		answer := layertest.New(t, open()).Plan(req)
		if all := fmt.Sprint(answer.Fragment, answer.Coverage, answer.Facts, answer.Diagnostics); strings.Contains(all, key) {
			t.Errorf("the key is told: %s", all)
		}
		want := []fragment.Step{
			fragment.Env{For: "credentials.environment.0", Name: "A", Value: fragment.Value{fragment.SecretValue("environment.A")}},
			fragment.Env{For: "credentials.environment.1", Name: "B", Value: fragment.Value{fragment.SecretValue("environment.B")}},
		}
		severity, held := sdk.SeverityError, sdk.Unavailable
		if dry {
			want = append(want, fragment.Env{For: "credentials.environment.2", Name: "C", Value: fragment.Value{fragment.SecretValue("environment.C")}})
			severity, held = sdk.SeverityWarning, sdk.Enforced
		}
		if fmt.Sprint(answer.Fragment.Steps) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", answer.Fragment.Steps, want)
		}
		for _, name := range []string{"environment.A", "environment.B"} {
			if got := string(answer.Secrets[name].Reveal()); (got == key) == dry {
				t.Errorf("dry: %v, and %s is %q", dry, name, got)
			}
		}
		if _, err := os.Stat(touched); (err == nil) == dry {
			t.Errorf("dry: %v, and the command left %v", dry, err)
		}
		d := answer.Diagnostics
		if len(d) != 1 || d[0].Severity != severity || d[0].Rule != "credentials.environment.2" ||
			!strings.Contains(d[0].Summary, "no source has the secret C") || !strings.Contains(d[0].Detail, "env://NONE: it is not set") {
			t.Errorf("got %+v", d)
		}
		if c := answer.Coverage; len(c) != 3 || c[0].Held != sdk.Enforced || c[2].Held != held {
			t.Errorf("got %+v", c)
		}
	}
}

func TestElsewhere(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Mkdir(filepath.Join(root, "hashed"), 0o700),
		os.WriteFile(filepath.Join(root, "all.pem"), nil, 0o600),
		os.Symlink("/etc", filepath.Join(root, "link")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, dirs string
		want       bool
	}{
		{"", "", false},
		{root + "/all.pem", "", false},
		{"", root + ":" + root + "/hashed", false},
		{"/etc/passwd", "", true},
		{root + "/gone.pem", "", true},
		{root + "/link/passwd", "", true},
		{root + "/all.pem", root + ":/etc", true},
		{"all.pem", "", true},
	} {
		named := map[string]string{"SSL_CERT_FILE": c.file, "SSL_CERT_DIR": c.dirs}
		if got := elsewhere(named, []string{root}); got != c.want {
			t.Errorf("file %q, directories %q: %v, want %v", c.file, c.dirs, got, c.want)
		}
	}
}

// What the service's certificate is held against is read before the agent runs where that may write
// it.
func TestWritable(t *testing.T) {
	places := []string{"/etc/ssl/certs", "/usr/share/ca-certificates"}
	for name, c := range map[string]struct {
		rule     policy.PathRule
		disabled bool
		want     bool
	}{
		"a directory beside them": {rule: policy.PathRule{Access: policy.Allow, Path: "/home/ada"}},
		"they are read":           {rule: policy.PathRule{Access: policy.Read, Path: "/etc"}},
		"a directory above": {
			rule: policy.PathRule{Access: policy.Allow, Path: "/etc"}, want: true,
		},
		"a file among them": {
			rule: policy.PathRule{Access: policy.Write, Path: "/etc/ssl/certs/own.pem"}, want: true,
		},
		"no filesystem layer": {disabled: true, want: true},
	} {
		p := policy.Policy{Filesystem: []policy.PathRule{c.rule}}
		if c.disabled {
			p.Disabled = append(p.Disabled, policy.Disabled{Kind: policy.KindFilesystem})
		}
		if got := writable(&p, places); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
