//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nono-run/nono/test/load"
)

// keyed are requests with a key, to a service that is reached by TLS: straight with the key, by
// nono's credential layer with a token, and by an nginx that takes a token and sends on the key.
type keyed struct {
	// Requests are by how many at once, Large those with a large answer, Streams those of events, and
	// Beside the same with an answer beside them that has no end.
	Requests map[int][]figures
	Large    []figures
	Streams  []figures
	Beside   []figures
}

// What the parts measure.
const (
	largeAnswer = 100 << 10
	streams     = 20
	events      = 100
	everyEvent  = 10 * time.Millisecond
	// endless is more than passes while the events do.
	endless = 1 << 40
)

func measureKeyed(proxies []*proxy, o options) (k *keyed, err error) {
	k = &keyed{Requests: map[int][]figures{}}
	small := load.Ask{Down: 1 << 10, Seed: 1}
	for _, beside := range besides {
		n := max(1, o.many*min(beside, 4)/4)
		k.Requests[beside], err = turns(proxies, o.rounds, kind{"requests", beside, n, small})
		if err != nil {
			return nil, err
		}
	}
	large := load.Ask{Down: largeAnswer, Seed: 3}
	k.Large, err = turns(proxies, o.rounds, kind{"requests", 16, max(16, o.many/2), large})
	if err != nil {
		return nil, err
	}
	k.Streams, err = turns(proxies, o.rounds, kind{"events", streams, events, load.Ask{}})
	if err != nil {
		return nil, err
	}
	k.Beside, err = turns(proxies, o.rounds, kind{"events", streams, events, load.Ask{Down: endless}})
	return k, err
}

func keyedDirect(_ place, _ options, s *load.Service) (*proxy, error) {
	p := &proxy{Name: byDirect, ways: []way{{byDirect, s.Straight(), false, true}}}
	return p, p.besides()
}

func keyedNono(at place, o options, s *load.Service) (*proxy, error) {
	authority, err := at.write("authority.pem", string(s.Authority))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(at.root, "agent-")
	if err != nil {
		return nil, err
	}
	environ := append(at.environ(), "LOAD_KEY="+s.Key, "SSL_CERT_FILE="+authority)
	agent, err := load.InsideWith(o.nono, dir, environ, s.Policy(), "nono-layer-credproxy")
	if err != nil {
		return nil, fmt.Errorf("nono: %w", err)
	}
	return &proxy{
		Name:  byNono,
		Shown: "nono run -s -c agent.hcl --approve -- CLIENT, with credential \"load\" { ... }",
		ways:  []way{{byNono, s.Inside(), false, true}},
		pids:  []int{agent.Layer, agent.Core}, core: agent.Core, client: agent.Running,
		stops: []func(){func() { _ = agent.Stop() }},
	}, nil
}

// keyedNginx takes a token of its own for the key, as nono does, and buffers nothing.
func keyedNginx(at place, _ options, s *load.Service) (*proxy, error) {
	program, err := installed("nginx", "nginx-light")
	if err != nil {
		return nil, err
	}
	const listens, port = "127.0.0.5", "8080"
	token := strings.Repeat("0", 64)
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "  %s_temp_path %s/keyed-%s;\n", kind, at.work, kind)
	}
	path, err := at.write("keyed.conf", `daemon off;
pid `+at.work+`/keyed.pid;
error_log stderr error;
worker_processes 2;
events { worker_connections 8192; }
http {
  access_log off;
`+temporary.String()+`  keepalive_requests 1000000;
  upstream service { server `+s.Host+`:`+s.Port+`; keepalive 64; keepalive_requests 1000000; }
  server {
    listen `+listens+`:`+port+`;
    client_max_body_size 0;
    location / {
      if ($http_authorization != "Bearer `+token+`") { return 401; }
      proxy_pass https://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer `+s.Key+`";
      proxy_ssl_verify on;
      proxy_ssl_name `+s.Host+`;
      proxy_ssl_trusted_certificate `+at.work+`/authority.pem;
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }
}
`)
	if err != nil {
		return nil, err
	}
	to := load.Way{Name: listens, Requests: port, Token: token}
	p := &proxy{
		Name:  byNginx,
		Shown: "nginx that compares a token, sets a header, and verifies TLS upstream; unbuffered",
		ways:  []way{{byNginx, to, false, true}},
	}
	if err := p.daemon(listens+":"+port, program, "-e", "stderr", "-c", path); err != nil {
		return p, err
	}
	return p, p.besides()
}

// text is the part of the page.
func (k *keyed) text() string {
	var b strings.Builder
	b.WriteString(`
## The credential layer

The service is reached by TLS. nginx takes a token and sends on the key, as nono does, and buffers
nothing either; both verify whom they talk to.
`)
	for _, beside := range besides {
		fmt.Fprintf(&b, "\n### Requests with a key, %d at once\n\n1 KiB back.\n\n", beside)
		b.WriteString(table("request", k.Requests[beside]))
		b.WriteString(k.ratio(k.Requests[beside]))
	}
	fmt.Fprintf(&b, "\n### Large answers with a key, 16 at once\n\n%d KiB back.\n\n", largeAnswer>>10)
	b.WriteString(table("request", k.Large))
	b.WriteString(k.ratio(k.Large))
	fmt.Fprintf(&b, "\n### %d streams at once, an event each %v\n\nHow long an event is on its way, "+
		"and how long the first one takes from the request on.\n\n", streams, everyEvent)
	b.WriteString("| | CPU an event | median | 99 of 100 | first |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range k.Streams {
		used := "-"
		if f.Way != byDirect {
			used = fmt.Sprintf("%.0f us", microseconds(f.CPU)/streams)
		}
		fmt.Fprintf(&b, "| %s | %s | %.2f ms | %.2f ms | %.2f ms |\n", f.Way, used,
			milliseconds(f.Median), milliseconds(f.Late), milliseconds(f.First))
	}
	b.WriteString("\n### The same beside one large answer\n\n" +
		"It comes as fast as it can, by another connection of the same client.\n\n" +
		"| | median | 99 of 100 | first | of the large answer |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range k.Beside {
		fmt.Fprintf(&b, "| %s | %.2f ms | %.2f ms | %.2f ms | %.0f MiB a second |\n", f.Way,
			milliseconds(f.Median), milliseconds(f.Late), milliseconds(f.First), f.Large/(1<<20))
	}
	return b.String()
}

// ratio is how nono does beside nginx.
func (k *keyed) ratio(all []figures) string {
	of := map[string]figures{}
	for _, f := range all {
		of[f.Way] = f
	}
	nono, nginx := of[byNono], of[byNginx]
	if nono.Rate == 0 || nginx.Rate == 0 || nginx.CPU == 0 {
		return ""
	}
	return fmt.Sprintf("\nnono has %.2f of nginx's rate, at %.1f times its CPU time.\n",
		nono.Rate/nginx.Rate, float64(nono.CPU)/float64(nginx.CPU))
}
