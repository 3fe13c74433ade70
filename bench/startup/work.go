//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A start is paid once. This is what work costs inside: pieces of it that are done again and again
// in one run of each sandbox, which has begun before the first.

// workIn are the sandboxes in which work is done.
var workIn = []string{bareName, nonoName, bwrapName}

// work is a piece of it. The shell runs it in a project of its own, and $n is another number each
// time.
type work struct{ name, needs, script string }

var pieces = []work{
	{"git status", "git", `git status --short`},
	{"git commit", "git", `echo $n >counter && git commit -qam "change $n"`},
	{
		"go build, one file changed", "go",
		`echo "package main; const n = $n" >n.go && go build -o built .`,
	},
	{"python3 starts", "/usr/bin/python3", `/usr/bin/python3 -c "import json, re"`},
	{"npm runs a script", "npm", `npm run --silent nothing`},
	{
		"sh starts a program, 100 times", "sh",
		`i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done`,
	},
	{"find in /usr/lib", "find", `find /usr/lib -name '*.nothing'`},
	{"grep in 2,000 files", "grep", `grep -r nothing src >found || true`},
}

// worked is what one piece of work took in each sandbox, in milliseconds.
type worked struct {
	Name  string   `json:"name"`
	Times []result `json:"times"`
}

// measureWork has this program do each piece of work in each sandbox, n rounds. It leaves out what
// this machine has no program for.
func measureWork(
	sandboxes []sandbox, dir string, n int,
) (all []worked, missing []string, err error) {
	program, err := copyOfThis(dir)
	if err != nil {
		return nil, nil, err
	}
	var in []sandbox
	for _, s := range sandboxes {
		if slices.Contains(workIn, s.Name) {
			in = append(in, s)
		}
	}
	for _, w := range pieces {
		if _, err := exec.LookPath(w.needs); err != nil {
			missing = append(missing, w.name+": "+w.needs+" is not installed")
			continue
		}
		all = append(all, worked{Name: w.name, Times: make([]result, len(in))})
	}
	project := filepath.Join(dir, "work")
	if err := makeProject(project); err != nil {
		return nil, nil, err
	}
	for round := range n + 1 {
		for i := range in {
			which := (i + round) % len(in)
			cmd := in[which].command(dir, program, "-piece", project)
			out, err := cmd.Output()
			if err != nil {
				return nil, nil, fmt.Errorf("%v: %w: %s", cmd.Args, err, saidBy(err))
			}
			var times map[string]float64
			if err := json.Unmarshal(out, &times); err != nil {
				return nil, nil, fmt.Errorf("%v printed %q: %w", cmd.Args, out, err)
			}
			if round == 0 { // it fills caches
				continue
			}
			for k := range all {
				r := &all[k].Times[which]
				r.rounds = append(r.rounds, sample{wall: times[all[k].Name]})
			}
		}
	}
	for k := range all {
		for i := range in {
			r := &all[k].Times[i]
			r.sandbox = in[i]
			r.Median = quantile(pick(r.rounds, wallOf), 0.5)
		}
	}
	return all, missing, nil
}

func saidBy(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return firstLine(exit.Stderr)
	}
	return ""
}

// makeProject makes what the work is done in: a repository of 500 files, a small program in Go, a
// script of npm's, and sources to search.
func makeProject(dir string) error {
	files := map[string]string{
		"go.mod":       "module example.com/built\n\ngo 1.24\n",
		"main.go":      "package main\n\nimport \"net/http\"\n\nfunc main() { _ = http.StatusText(n) }\n",
		"n.go":         "package main; const n = 0\n",
		"counter":      "0\n",
		"package.json": `{"name": "built", "scripts": {"nothing": "true"}}`,
		".gitignore":   "/src/\n/built\n/found\n/n.go\n/home/\n",
	}
	for i := range 500 {
		files[fmt.Sprintf("doc/%02d/%02d.txt", i/50, i%50)] = fmt.Sprintf("%0500d\n", i)
	}
	for i := range 2000 {
		files[fmt.Sprintf("src/%02d/%02d.c", i/100, i%100)] = strings.Repeat("int x;\n", 300)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	begin := `git init -q . && git add . && git commit -qm first`
	if out, err := inProject(dir, begin).CombinedOutput(); err != nil {
		return fmt.Errorf("making a repository: %w: %s", err, firstLine(out))
	}
	return nil
}

// inProject is a script with a home, an identity, caches and variables that are the same outside
// and inside: nono passes few of the user's on, and some of them cost a program its time.
func inProject(dir, script string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	home := filepath.Join(dir, "home")
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"},
		"HOME="+home, "GOCACHE="+filepath.Join(home, "go-build"), "GOPATH="+filepath.Join(home, "go"),
		"GOTOOLCHAIN=local", "GOFLAGS=", "CGO_ENABLED=0", "npm_config_cache="+filepath.Join(home, "npm"),
		"npm_config_update_notifier=false", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	return cmd
}

// doWork does each piece once, here, and prints how long each took.
func doWork(project string) error {
	times := map[string]float64{}
	for _, w := range pieces {
		if _, err := exec.LookPath(w.needs); err != nil {
			continue
		}
		cmd := inProject(project, w.script)
		cmd.Env = append(cmd.Env, fmt.Sprintf("n=%d", time.Now().UnixNano()))
		began := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", w.name, err, firstLine(out))
		}
		times[w.name] = milliseconds(time.Since(began))
	}
	return json.NewEncoder(os.Stdout).Encode(times)
}

// workRows is the table of work, its header first.
func (r report) workRows() [][]string {
	if len(r.Work) == 0 {
		return nil
	}
	header := []string{""}
	for i, t := range r.Work[0].Times {
		header = append(header, t.Name)
		if i > 0 {
			header = append(header, "of that without")
		}
	}
	rows := [][]string{header}
	for _, w := range r.Work {
		row := []string{w.Name}
		for i, t := range w.Times {
			row = append(row, fmt.Sprintf("%.1f ms", t.Median))
			if i > 0 {
				row = append(row, ratioOf(t.rounds, w.Times[0].rounds, wallOf).String())
			}
		}
		rows = append(rows, row)
	}
	return rows
}
