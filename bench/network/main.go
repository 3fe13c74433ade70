//go:build linux

// Command network measures what nono's network layer and its credential layer cost beside other
// proxies, in one run on one machine.
//
//	go run ./bench/network -nono bin/nono
//
// All of it happens in a network namespace that the command makes for itself, with a loopback and
// nothing else: a server at a public address, a resolver that knows its name, nginx, tinyproxy and
// squid, and nono with an agent inside. A peer that is not installed is left out, with a line that
// says so.
//
// Each measures the same: the client, which runs inside for nono, opens tunnels and sends requests,
// and compares every byte. The proxies take turns. CPU time is what the scheduler counted for the
// proxy's processes, and the steadiest figure: the client and the server are on the same cores, so
// that rates say little of another machine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nono-run/nono/test/load"
)

func main() {
	var o options
	var asClient bool
	flag.StringVar(&o.nono, "nono", "bin/nono", "the nono to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of each proxy")
	flag.IntVar(&o.many, "n", 2000, "tunnels and requests of a turn")
	flag.IntVar(&o.idle, "idle", 2000, "tunnels that are idle")
	flag.Int64Var(&o.bulk, "bulk", 1<<30, "bytes through one tunnel")
	flag.StringVar(&o.only, "only", "",
		"measure this alone: tunnels, requests, bulk, idle, starts, or keys (the credential layer)")
	flag.StringVar(&o.markdown, "markdown", "", "also write the tables to this file")
	flag.BoolVar(&asClient, "client", false, "be the client of a measurement")
	flag.Parse()
	if os.Getuid() == 0 && !asClient {
		fmt.Fprintln(os.Stderr, "network: run it as an ordinary user: squid and nginx give up root")
		os.Exit(1)
	}
	run := func() error { return load.Alone(func() error { return bench(o) }) }
	if asClient {
		run = load.Client
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "network:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	nono               string
	rounds, many, idle int
	bulk               int64
	only, markdown     string
}

// wants reports whether a kind of work is to be measured.
func (o options) wants(what string) bool { return o.only == "" || o.only == what }

func bench(o options) (err error) {
	if o.rounds < 1 || o.many < 16 || o.idle < 1 || o.bulk < 1 {
		return errors.New("-rounds, -idle and -bulk are at least 1, and -n at least 16")
	}
	if o.nono, err = filepath.Abs(o.nono); err != nil {
		return err
	}
	at, err := newPlace()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(at.root)) }()

	r := report{options: o, Machine: thisMachine()}
	if o.only != keys {
		if err := r.network(at); err != nil {
			return err
		}
	}
	if o.wants(keys) {
		if err := r.credentials(at); err != nil {
			return err
		}
	}
	text := r.text()
	if o.markdown != "" {
		if err := os.WriteFile(o.markdown, []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Print(text)
	return err
}

// keys is what -only calls the part about the credential layer.
const keys = "keys"

// network measures the network layer.
func (r *report) network(at place) (err error) {
	var proxies []*proxy
	for _, find := range []func(place, options) (*proxy, error){
		direct, nono, nginx, tinyproxy, squid,
	} {
		p, err := find(at, r.options)
		if p != nil {
			defer p.stop()
		}
		if err == nil {
			err = p.check()
		}
		if err != nil {
			r.leftOut(err)
			continue
		}
		proxies = append(proxies, p)
	}
	if err := r.measure(proxies); err != nil {
		return err
	}
	hasNono := slices.ContainsFunc(proxies, func(p *proxy) bool { return p.Name == byNono })
	if hasNono && r.wants("starts") {
		r.Starts, err = starts(at, r.options)
	}
	return err
}

// credentials measures the credential layer.
func (r *report) credentials(at place) error {
	service, err := load.ServeService()
	if err != nil {
		return err
	}
	var proxies []*proxy
	for _, find := range []func(place, options, *load.Service) (*proxy, error){
		keyedDirect, keyedNono, keyedNginx,
	} {
		p, err := find(at, r.options, service)
		if p != nil {
			defer p.stop()
		}
		if err == nil {
			err = p.check()
		}
		if err != nil {
			r.leftOut(err)
			continue
		}
		proxies = append(proxies, p)
		if p.Shown != "" {
			r.Shown = append(r.Shown, p.Name+", with a key: "+p.Shown)
		}
	}
	r.Keyed, err = measureKeyed(proxies, r.options)
	return err
}

func (r *report) leftOut(err error) {
	fmt.Fprintln(os.Stderr, "left out:", err)
	r.Missing = append(r.Missing, err.Error())
}
