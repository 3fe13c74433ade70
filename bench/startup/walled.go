//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/nono-run/nono/test/hosts"
)

// walled is what nono takes on a host that gives no user namespaces: tier B.
type walled struct {
	Results []result `json:"results"`
	Inside  []inside `json:"inside,omitempty"`
}

// walledNames are the rows that are measured there.
var walledNames = []string{bareName, nonoName, nonoNetName, nonoKeyName, fiveName}

// measureWalled has this program measure on such a host, which it makes once, so that no run pays
// for it.
func measureWalled(o options) (*walled, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	nono, err := filepath.Abs(o.nono)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-walled", "-nono", nono, "-codex", "", "-idle", "",
		"-n", strconv.Itoa(o.runs), "-warmup", strconv.Itoa(o.warmup),
		"-watched", strconv.Itoa(o.watched))
	if err := (hosts.Host{NoNamespaces: true}).Wrap(cmd); err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("measuring without user namespaces: %w", err)
	}
	w := &walled{}
	if err := json.Unmarshal(said.Bytes(), w); err != nil {
		return nil, fmt.Errorf("measuring without user namespaces: %w", err)
	}
	return w, nil
}

// walledHere measures on this host, which is one.
func walledHere(o options) error {
	where, err := newPlace("nono-bench-walled")
	if err != nil {
		return err
	}
	defer where.remove()
	all, _ := find(o, where)
	all = slices.DeleteFunc(all, func(s sandbox) bool { return !slices.Contains(walledNames, s.Name) })
	for _, s := range all {
		if err := s.checkWalled(where.work); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	var w walled
	if w.Results, err = measure(all, where.work, o.runs, o.warmup); err != nil {
		return err
	}
	if err := holdAll(w.Results, where.work, min(o.watched, 5)); err != nil {
		return err
	}
	for _, s := range all {
		if (s.Name == nonoName || s.Name == fiveName) && o.watched > 0 {
			in, err := lookInto(s, where.work, o.watched)
			if err != nil {
				return err
			}
			w.Inside = append(w.Inside, in)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(w)
}

// checkWalled is check where the network is the host's, and what is closed are its sockets.
func (s sandbox) checkWalled(dir string) error {
	if err := s.checkExit(dir); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	reached := s.command(dir, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port).Run() == nil
	if reached == s.Sandboxed {
		return fmt.Errorf("a port of the host was reached: %v", reached)
	}
	return nil
}
