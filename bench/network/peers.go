//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/nono-run/nono/test/load"
	"github.com/nono-run/nono/test/machine"
)

// proxy is one that runs, with a client for it.
type proxy struct {
	Name  string
	Shown string // the command line, for a reader
	ways  []way
	// pids are those whose time and memory count.
	pids []int
	// daemonPID is a peer's first process.
	daemonPID int
	core      int // nono's, which is one of them; 0 for others
	client    *load.Running
	stops     []func()
}

// way is how the client uses the proxy.
type way struct {
	name              string
	how               load.Way
	tunnels, requests bool // what can be measured so
}

// The ways that the report compares by name.
const (
	byDirect     = "direct"
	byNono       = "nono"
	bySynthetic  = "nono, synthetic address"
	byNginx      = "nginx"
	byTinyproxy  = "tinyproxy"
	bySquid      = "squid"
	bulkBaseline = byNginx
)

func (p *proxy) stop() {
	for i := len(p.stops) - 1; i >= 0; i-- {
		p.stops[i]()
	}
}

// check lets everything through once, and every byte is compared.
func (p *proxy) check() error {
	for _, w := range p.ways {
		for do, measured := range map[string]bool{"tunnels": w.tunnels, "requests": w.requests} {
			if !measured {
				continue
			}
			c := load.Command{Do: do, Way: w.how, Ask: load.Ask{Down: 100 << 10, Seed: 1}, N: 2, Beside: 1}
			if _, err := p.client.Do(c); err != nil {
				return fmt.Errorf("%s: %s: %w", w.name, do, err)
			}
		}
	}
	if p.daemonPID != 0 { // its workers are there by now
		p.pids = append([]int{p.daemonPID}, machine.Children(p.daemonPID)...)
	}
	return nil
}

// through is the way by a proxy.
func through(proxy string) load.Way {
	w := load.Straight
	w.Proxy = proxy
	return w
}

func direct(place, options) (*proxy, error) {
	how := load.Straight
	how.Name = load.ServerAddress
	p := &proxy{Name: byDirect, ways: []way{{byDirect, how, true, true}}}
	return p, p.besides()
}

// besides starts a client that needs nothing around it.
func (p *proxy) besides() (err error) {
	if p.client, err = load.Start(exec.Command("/proc/self/exe", "-client")); err != nil {
		return err
	}
	p.stops = append(p.stops, func() { _ = p.client.Stop() })
	return nil
}

// nono's agent is the client. What counts is the layer and core, to which the layer tells what it
// decides.
func nono(at place, o options) (*proxy, error) {
	agent, err := load.Inside(o.nono, at.work, at.environ())
	if err != nil {
		return nil, fmt.Errorf("nono: %w", err)
	}
	return &proxy{
		Name:  byNono,
		Shown: "nono run -s -c agent.hcl --approve -- CLIENT, with " + strings.TrimSpace(load.Policy),
		ways: []way{
			{byNono, through(load.ProxyFromHere), true, true},
			{bySynthetic, load.Straight, true, true},
		},
		pids:   []int{agent.Layer, agent.Core},
		core:   agent.Core,
		client: agent.Running,
		stops:  []func(){func() { _ = agent.Stop() }},
	}, nil
}

// daemon starts a peer in the foreground and waits until it accepts.
func (p *proxy) daemon(address string, args ...string) error {
	// Of descriptors it may have as many as there may be: Go gives its children fewer.
	script := "ulimit -n $(ulimit -Hn); exec \"$@\""
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	p.stops = append(p.stops, func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended: %s", p.Name, said.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not accept at %s: %s", p.Name, address, said.String())
		}
	}
	p.daemonPID = cmd.Process.Pid
	return nil
}

// installed is a program of Debian's, which may be where only root looks.
func installed(name, pkg string) (string, error) {
	for _, path := range []string{"/usr/sbin/" + name, "/usr/bin/" + name} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: apt-get install %s", name, pkg)
}

// nginx is no forward proxy: a server of its own stands for the tunnels, and one for the requests.
func nginx(at place, _ options) (*proxy, error) {
	program, err := installed("nginx", "nginx-light libnginx-mod-stream")
	if err != nil {
		return nil, err
	}
	module := ""
	const stream = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(stream); err == nil {
		module = "load_module " + stream + ";\n"
	}
	path, err := at.write("nginx.conf", module+`daemon off;
pid `+at.work+`/nginx.pid;
error_log stderr error;
worker_processes 2;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
stream {
  server { listen 127.0.0.2:443; proxy_pass `+load.ServerAddress+`:443; proxy_timeout 1h; }
}
http {
  access_log off;
  client_body_temp_path `+at.work+`/nginx-body;
  proxy_temp_path `+at.work+`/nginx-proxy;
  fastcgi_temp_path `+at.work+`/nginx-fastcgi;
  uwsgi_temp_path `+at.work+`/nginx-uwsgi;
  scgi_temp_path `+at.work+`/nginx-scgi;
  keepalive_requests 1000000;
  upstream server { server `+load.ServerAddress+`:80; keepalive 64; }
  server {
    listen 127.0.0.2:80;
    location / {
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`)
	if err != nil {
		return nil, err
	}
	to := load.Way{Name: "127.0.0.2", Tunnels: "443", Requests: "80"}
	p := &proxy{
		Name: byNginx, Shown: "nginx with a stream server, and a reverse proxy with keepalive upstream",
		ways: []way{{byNginx, to, true, true}},
	}
	if err := p.daemon("127.0.0.2:80", program, "-e", "stderr", "-c", path); err != nil {
		return p, err
	}
	return p, p.besides()
}

func tinyproxy(at place, _ options) (*proxy, error) {
	program, err := installed("tinyproxy", "tinyproxy")
	if err != nil {
		return nil, err
	}
	path, err := at.write("tinyproxy.conf", `Port 8888
Listen 127.0.0.3
Timeout 3600
MaxClients 8192
LogLevel Critical
DisableViaHeader Yes
`)
	if err != nil {
		return nil, err
	}
	how := through("127.0.0.3:8888")
	how.Once = true
	p := &proxy{
		Name: byTinyproxy, Shown: "tinyproxy -d, no log",
		ways: []way{{byTinyproxy, how, true, true}},
	}
	if err := p.daemon("127.0.0.3:8888", program, "-d", "-c", path); err != nil {
		return p, err
	}
	return p, p.besides()
}

func squid(at place, _ options) (*proxy, error) {
	program, err := installed("squid", "squid")
	if err != nil {
		return nil, err
	}
	path, err := at.write("squid.conf", `http_port 127.0.0.4:3128
http_access allow all
cache deny all
access_log none
cache_log `+at.work+`/squid.log
cache_store_log none
pid_filename none
pinger_enable off
max_filedescriptors 16384
shutdown_lifetime 0 seconds
coredump_dir `+at.work+`
`)
	if err != nil {
		return nil, err
	}
	p := &proxy{
		Name: bySquid, Shown: "squid -N, no cache, no log",
		ways: []way{{bySquid, through("127.0.0.4:3128"), true, true}},
	}
	if err := p.daemon("127.0.0.4:3128", program, "-N", "-f", path); err != nil {
		return p, err
	}
	return p, p.besides()
}
