// Package packagehosts learns from where the user's package managers fetch, by asking them: so it
// is right behind a company's mirror, and nono has no list of its own that grows old.
//
//	l := packagehosts.Learner{Home: home, Cache: dirs.Cache, Lookup: os.LookupEnv, Policy: &pol}
//	learned, err := l.Learn(ctx)
//	for _, c := range learned.Clients {
//		fmt.Println(c.Name, c.Asked, c.Hosts) // npm "npm config list" [registry.example]
//	}
//
// Inside, the agent's own managers do not see the user's settings. Those that read variables are
// told by them where to fetch from, where that differs from what they would do anyway.
//
// What they say is remembered until one of their settings changes, so that a start asks nobody.
//
// # Who decides
//
// A manager is a program on the host, and what it is asked is what the agent may reach. So it is
// run from an empty directory, where no project has a say, with an environment of its own, and only
// if it lies where tools are installed and nothing that the agent may write (core/toolchain finds
// it, through no shim). Nor is one asked whose settings the agent may write: it could put hosts
// there for the next run. Managers that cannot be asked are read: cargo keeps the settings of its
// registries, Maven a file of mirrors and its default.
package packagehosts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Learner asks the package managers of one user.
type Learner struct {
	Home string
	// Cache is nono's own cache directory, which no agent can write.
	Cache string
	// Lookup reads the user's environment.
	Lookup func(string) (string, bool)
	// Policy is what the run allows.
	Policy *policy.Policy

	bare bool // they are asked as the agent's own would answer, without the user's settings
}

// Learned is what the managers said.
type Learned struct {
	Clients []Client `json:"clients"`
	// Fresh says that they were asked now, and that nothing was remembered.
	Fresh bool `json:"-"`
}

// Client is one package manager that is installed.
type Client struct {
	Name string `json:"name"`
	// Asked is what it was asked, or which file was read.
	Asked string `json:"asked"`
	// Hosts are where it fetches from, each with a port where that is not the usual one.
	Hosts []string `json:"hosts,omitempty"`
	// Variables tell the agent's own one to fetch from there, where it would do otherwise.
	Variables []Variable `json:"variables,omitempty"`
	// Why says why there is none.
	Why string `json:"why,omitempty"`

	failed bool // to be asked again
}

// Hosts are those of all managers, each once.
func (l Learned) Hosts() []string {
	var all []string
	for _, c := range l.Clients {
		for _, host := range c.Hosts {
			if !slices.Contains(all, host) {
				all = append(all, host)
			}
		}
	}
	return all
}

// Says is what was learned, in a line.
func (l Learned) Says() string {
	if len(l.Clients) == 0 {
		return "none of npm, go, pip, cargo and mvn was found"
	}
	parts := make([]string, len(l.Clients))
	for i, c := range l.Clients {
		said := strings.Join(c.Hosts, " ")
		if len(c.Hosts) == 0 {
			said = "none, for " + c.Why
		}
		parts[i] = fmt.Sprintf("%s: %s (%s)", c.Name, said, c.Asked)
	}
	return strings.Join(parts, "; ")
}

// timeout is how long one manager may take.
const timeout = 20 * time.Second

// manager is how one is asked: the program that it is, the files that it has its settings in, and
// what it answers.
type manager struct {
	name, program, asked string
	settings             func(l *Learner) []string
	answer               func(ctx context.Context, l *Learner) (answer, error)
}

// answer is what a manager says: urls or names of hosts that it fetches from, and the variables
// that would have another one of its kind do the same.
type answer struct {
	from      []string
	variables []Variable
}

var managers = []manager{
	{"npm", "npm", "npm config list", (*Learner).npmSettings, npm},
	{"go", "go", "go env GOPROXY GOSUMDB", (*Learner).goSettings, golang},
	{"pip", "python3", "pip's settings", (*Learner).pipSettings, pip},
	{"cargo", "cargo", "cargo's registries", (*Learner).cargoSettings, cargo},
	{"maven", "mvn", "Maven's settings", (*Learner).mavenSettings, maven},
}

// Learn is what the managers say, or said while their settings were what they are. An error beside
// an answer says that it cannot be remembered.
func (l *Learner) Learn(ctx context.Context) (Learned, error) {
	mark := l.mark()
	if known, ok := l.remembered(mark); ok {
		return known, nil
	}
	learned := Learned{Fresh: true}
	answers := make([]*Client, len(managers))
	var all sync.WaitGroup
	for i, m := range managers {
		all.Go(func() { answers[i] = l.ask(ctx, m) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return Learned{}, fmt.Errorf("asking package managers: %w", err)
	}
	failed := false
	for _, c := range answers {
		if c != nil {
			learned.Clients = append(learned.Clients, *c)
			failed = failed || c.failed
		}
	}
	if failed {
		return learned, nil // and they are asked again the next time
	}
	return learned, l.remember(mark, learned)
}

// ask is what one manager says; nil where it is not installed.
func (l *Learner) ask(ctx context.Context, m manager) *Client {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := &Client{Name: m.name, Asked: m.asked}
	_, err := l.find(m.program)
	var said answer
	switch file := l.writable(m); {
	case isMissing(err):
	case file != "":
		err = nothing("the agent may write " + file)
	default:
		said, err = m.answer(ctx, l)
	}
	if err == nil && len(said.variables) > 0 {
		c.Variables, err = l.differing(ctx, m, said.variables)
	}
	switch {
	case isMissing(err):
		return nil
	case err != nil:
		var lasting nothing
		c.Why, c.failed = err.Error(), !errors.As(err, &lasting)
		return c
	}
	for _, text := range said.from {
		if host := hostOf(text); host != "" && !slices.Contains(c.Hosts, host) {
			c.Hosts = append(c.Hosts, host)
		}
	}
	if len(c.Hosts) == 0 {
		c.Why = "it names no host"
	}
	return c
}

// hostOf is the host of a url, with its port where that is not the usual one; or a host that was
// named without a url. Anything else is "".
func hostOf(text string) string {
	if !strings.Contains(text, "://") {
		if name, err := hostname.Parse(strings.TrimSpace(text)); err == nil {
			return name
		}
		return ""
	}
	u, err := url.Parse(strings.TrimPrefix(strings.TrimSpace(text), "sparse+"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host, addr, err := hostname.Host(u.Hostname())
	switch {
	case err != nil:
		return "" // a star, which would mean more than one host
	case addr.Is6():
		host = "[" + addr.String() + "]"
	case addr.IsValid():
		host = addr.String()
	}
	usual := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if port := u.Port(); port != "" && port != usual {
		host += ":" + port
	}
	return host
}

// settings are the variables that say where managers fetch from, or where they have their settings.
var settings = []string{
	"npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig", "NPM_CONFIG_USERCONFIG",
	"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOSUMDB", "GONOPROXY", "GOENV",
	"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE",
	"CARGO_HOME", "XDG_CONFIG_HOME",
}

// named adds the files that variables of the user's name.
func (l *Learner) named(files []string, variables ...string) []string {
	for _, name := range variables {
		if path := l.value(name, ""); filepath.IsAbs(path) {
			files = append(files, path)
		}
	}
	return files
}

func (l *Learner) npmSettings() []string {
	files := []string{"/etc/npmrc", filepath.Join(l.Home, ".npmrc")}
	return l.named(files, "npm_config_userconfig", "NPM_CONFIG_USERCONFIG")
}

func (l *Learner) goSettings() []string {
	return l.named([]string{filepath.Join(l.configHome(), "go/env")}, "GOENV")
}

func (l *Learner) pipSettings() []string {
	files := []string{
		"/etc/pip.conf", filepath.Join(l.Home, ".pip/pip.conf"),
		filepath.Join(l.configHome(), "pip/pip.conf"),
	}
	return l.named(files, "PIP_CONFIG_FILE")
}

func (l *Learner) cargoSettings() []string {
	return []string{
		l.cargoHome() + "/config.toml", l.cargoHome() + "/config", l.cargoHome() + "/registry/index",
	}
}

func (l *Learner) mavenSettings() []string { return []string{l.mavenFile()} }

// writable is a file of a manager's settings that the agent may write, or make; "" if there is
// none.
func (l *Learner) writable(m manager) string {
	decide := policy.NewDecider(l.Policy)
	for _, file := range m.settings(l) {
		at := []string{file}
		if route, err := hostfile.Follow(hostfile.Host, file); err == nil {
			at = append(at, route.Path)
		}
		for _, path := range at {
			if decide.Path(path, policy.OpWrite).Allowed {
				return file
			}
		}
	}
	return ""
}

// files are those that managers read, and those that appear when one has been used.
func (l *Learner) files() []string {
	var files []string
	for _, m := range managers {
		files = append(files, m.settings(l)...)
	}
	list := l.value("PATH", "")
	for dir := range strings.SplitSeq(list, ":") {
		if !filepath.IsAbs(dir) {
			continue
		}
		for _, program := range []string{"npm", "go", "pip", "pip3", "python3", "cargo", "mvn"} {
			files = append(files, filepath.Join(dir, program))
		}
	}
	return files
}

func (l *Learner) configHome() string {
	return l.value("XDG_CONFIG_HOME", filepath.Join(l.Home, ".config"))
}

func (l *Learner) value(name, usual string) string {
	if v, ok := l.Lookup(name); ok && v != "" {
		return v
	}
	return usual
}

// mark is another one when a setting changes or who may write it, or a manager is installed or
// replaced.
func (l *Learner) mark() string {
	sum := sha256.New()
	for _, name := range settings {
		v, ok := l.Lookup(name)
		fmt.Fprintf(sum, "%s %v %q\n", name, ok, v)
	}
	for _, m := range managers {
		fmt.Fprintf(sum, "%s %q\n", m.name, l.writable(m))
	}
	for _, path := range l.files() {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		fmt.Fprintf(sum, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// memory is what is remembered, as a file.
type memory struct {
	Version int    `json:"version"`
	Mark    string `json:"mark"`
	Learned
}

const (
	memoryFile    = "package-hosts.json"
	memoryVersion = 2
)

// remembered is what the managers said when the mark was this one.
func (l *Learner) remembered(mark string) (Learned, bool) {
	text, err := hostfile.Read(filepath.Join(l.Cache, memoryFile), 1<<20)
	if err != nil {
		return Learned{}, false
	}
	var m memory
	decode := json.NewDecoder(bytes.NewReader(text))
	decode.DisallowUnknownFields()
	if decode.Decode(&m) != nil || m.Version != memoryVersion || m.Mark != mark {
		return Learned{}, false
	}
	if _, err := decode.Token(); !errors.Is(err, io.EOF) {
		return Learned{}, false
	}
	for _, c := range m.Clients {
		if slices.ContainsFunc(c.Variables, func(v Variable) bool { return !v.sound() }) {
			return Learned{}, false
		}
	}
	return m.Learned, true
}

func (l *Learner) remember(mark string, learned Learned) error {
	text, err := json.Marshal(memory{memoryVersion, mark, learned})
	if err != nil {
		return fmt.Errorf("remembering what package managers said: %w", err)
	}
	if err := os.MkdirAll(l.Cache, 0o700); err != nil {
		return fmt.Errorf("remembering what package managers said: %w", err)
	}
	root, err := os.OpenRoot(l.Cache)
	if err != nil {
		return fmt.Errorf("remembering what package managers said: %w", err)
	}
	defer func() { _ = root.Close() }()
	if err := ownfile.Replace(root, memoryFile, text); err != nil {
		return fmt.Errorf("remembering what package managers said: %w", err)
	}
	return nil
}
