package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/kernels/serial"
)

// TestNewest: one kernel of each series and flavour, and of several the newest, by number and not by
// letter; what is not signed or has no files is none.
func TestNewest(t *testing.T) {
	var got []string
	for _, k := range newest([]string{
		"linux-image-6.12.9+deb12-amd64", "linux-image-6.12.118+deb13-amd64", "linux-image-6.12-amd64",
		"linux-image-6.12.118+deb13-amd64-unsigned", "linux-image-6.12.118+deb13-amd64-dbg",
		"linux-image-6.12.118+deb13-cloud-amd64", "linux-image-6.12.118+deb13-arm64",
		"linux-image-6.1.0-56-amd64", "linux-image-6.1.0-0.deb11.52-amd64", "linux-image-amd64",
		"linux-image-7.3.4+deb13-rt-amd64", "linux-image-5.10.0-46-amd64",
	}) {
		got = append(got, k.Series+": "+k.Package)
	}
	want := []string{
		"5.10: linux-image-5.10.0-46-amd64",
		"6.1: linux-image-6.1.0-56-amd64",
		"6.12: linux-image-6.12.118+deb13-amd64",
		"6.12 cloud: linux-image-6.12.118+deb13-cloud-amd64",
		"7.3 rt: linux-image-7.3.4+deb13-rt-amd64",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// TestArchive: what is written is an archive as the kernel reads it, with files under their own
// names, owners and modes, and directories before what is in them.
func TestArchive(t *testing.T) {
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "odd"), []byte("12345"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("odd", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	c := newCPIO(&archive)
	if err := c.tree("some/where", from, 7); err != nil {
		t.Fatal(err)
	}
	if err := c.end(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"40755 0 some ", "40755 7 some/where ", "120777 0 some/where/link odd",
		"100640 7 some/where/odd 12345", "0 0 TRAILER!!! ",
	}
	if got := entries(t, archive.Bytes()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// entries reads an archive of the form that Documentation/driver-api/early-userspace has.
func entries(t *testing.T, archive []byte) (all []string) {
	t.Helper()
	aligned := func(n int) int { return (n + 3) &^ 3 }
	for len(archive) > 0 {
		const magic, fields, width = "070701", 13, 8
		if !bytes.HasPrefix(archive, []byte(magic)) {
			t.Fatalf("no header: %q", archive[:min(len(archive), 16)])
		}
		var n [fields]int
		for i := range n {
			field := archive[len(magic)+i*width:][:width]
			v, err := strconv.ParseInt(string(field), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			n[i] = int(v)
		}
		mode, owner, size, name := n[1], n[2], n[6], n[11]
		head := len(magic) + fields*width
		body := aligned(head + name)
		all = append(all, fmt.Sprintf("%o %d %s %s",
			mode, owner, archive[head:head+name-1], archive[body:body+size]))
		archive = archive[aligned(body+size):]
	}
	return all
}

// TestOutcomes: what each trial printed is read for what it is, and nothing that went wrong passes
// for something that went well.
func TestOutcomes(t *testing.T) {
	const table = "write a file in its project, and read it back      yes           yes\n" +
		"see other processes                                yes           no: nothing there\n"
	for _, test := range []struct {
		name  string
		r     serial.Result
		short string
		fails bool
	}{
		{"tier A", serial.Result{
			Trial: demo, Out: table, Err: "nono: rw ~/demo; network closed; home private; tier A\n",
		}, "A", false},
		{"tier B that let something through", serial.Result{
			Trial: demo, Code: 1, Out: table, Err: "nono: rw ~/demo; home unreadable; tier B (why)\n",
		}, "B, not all held", true},
		{"refused", serial.Result{
			Trial: demo, Code: 125, Err: "nono: error: this host cannot enforce the sandbox: why\n  do\n",
		}, "refused", false},
		{"refused for a reason that is not the host's", serial.Result{
			Trial: demo, Code: 125, Err: "nono: error: agent.hcl is missing\n",
		}, "exit code 125", true},
		{"an error without a word", serial.Result{Trial: demo, Code: 2}, "exit code 2", true},
		{"hung", serial.Result{Trial: attack, TimedOut: true, Out: "{}"}, "no end", true},
		{"no table", serial.Result{Trial: attack, Code: 125, Err: "nono: error: not built"}, "nothing", true},
		{"attacks held", serial.Result{
			Trial: attack, Out: `{"tier": "B", "findings": [
			{"result": "held"}, {"result": "open"}, {"result": "not applicable"}]}`,
		}, "1 held, 1 open, 1 not applicable", false},
		{"one not held", serial.Result{
			Trial: attack, Out: `{"findings": [
			{"result": "held"}, {"result": "not held"}]}`,
		}, "1 held, 0 open, 0 not applicable, **1 not held**", true},
		{
			"one that nobody knows",
			serial.Result{Trial: attack, Out: `{"findings": [{"result": ""}]}`},
			"0 held, 0 open, 0 not applicable, **1 not held**", true,
		},
		{"tests passed", serial.Result{
			Trial: "core/launch", Out: "--- PASS: TestA (0.1s)\n    --- SKIP: TestA/x (0.0s)\nPASS\n",
		}, "1 passed, 1 skipped", false},
		{"a test failed", serial.Result{
			Trial: "core/launch", Code: 1, Out: "--- PASS: TestA (0.1s)\n--- FAIL: TestB (0.0s)\n",
		}, "1 passed, 0 skipped, **1 failed**", true},
		{"tests that never ran", serial.Result{
			Trial: "core/launch", Code: 2, Err: "panic: building: no go\n",
		}, "0 passed, 0 skipped, **1 batches that broke**", true},
		{"a test without an end", serial.Result{
			Trial: "core/launch", Code: -1, TimedOut: true,
			Out: "=== RUN   TestA\n--- PASS: TestA (0.1s)\n=== RUN   TestB\n",
		}, "1 passed, 0 skipped, **1 without an end**", true},
		{"nobody knows what", serial.Result{Trial: "another"}, "what is it?", true},
	} {
		o := outcomeOf(test.r)
		if o.Short != test.short || o.Failed != test.fails {
			t.Errorf("%s: got %+v", test.name, o)
		}
	}
	const signal = "send a signal to another process                   yes           yes   <-- this should not be\n"
	want := []string{"not held: send a signal to another process"}
	if got := reached(table + signal); !slices.Equal(got, want) {
		t.Errorf("reached: %q", got)
	}
}

// TestKeep: what is tried anew takes the place of what was found before, and the rest stays.
func TestKeep(t *testing.T) {
	result := func(situation, trial string, root bool, out string) serial.Result {
		return serial.Result{Situation: situation, Trial: trial, Root: root, Out: out}
	}
	f := findings{Results: []serial.Result{
		result(asShipped, "core/launch", false, "new 1"), result(asShipped, "core/launch", false, "new 2"),
		result(without, attack, false, "new"),
	}}
	f.keep(findings{
		Host: &serial.Host{Release: "6.1"}, Lacking: []serial.Lacking{{Situation: "a", Why: "b"}},
		Results: []serial.Result{
			result(asShipped, demo, false, "old"), result(asShipped, "core/launch", false, "old"),
			result(without, attack, false, "old"), result(without, attack, true, "old"),
		},
	})
	var got []string
	for _, r := range f.Results {
		got = append(got, called(r.Situation, r.Root, r.Trial)+": "+r.Out)
	}
	want := []string{
		"as Debian ships it, core/launch: new 1", "as Debian ships it, core/launch: new 2",
		"no user namespaces, attack: new", "as Debian ships it, demo: old",
		"no user namespaces, as root, attack: old",
	}
	if !slices.Equal(got, want) || f.Host == nil || len(f.Lacking) != 1 {
		t.Errorf("got %q, %+v, %+v", got, f.Host, f.Lacking)
	}
}

// TestTask: all is tried but what was not asked for, the table of attacks as an ordinary user before
// it is tried as root, and no situation is made for nothing.
func TestTask(t *testing.T) {
	own := []serial.Trial{{Name: "core/launch"}}
	names := func(try string) (all []string) {
		for _, s := range task(own, regexp.MustCompile(try)).Situations {
			if len(s.Trials) == 0 {
				t.Errorf("nothing is tried in %q", s.Name)
			}
			for _, tr := range s.Trials {
				all = append(all, called(s.Name, tr.Root, tr.Name))
			}
		}
		return all
	}
	want := []string{
		"as Debian ships it, attack", "no user namespaces, attack",
		"no user namespaces, Yama's scope 1, attack", "as Debian ships it, core/launch",
		"as Debian ships it, as root, attack", "no user namespaces, as root, attack",
	}
	all := names("")
	if got := all[len(all)-len(want):]; !slices.Equal(got, want) {
		t.Errorf("last: got %q", got)
	}
	if got := names("^no user namespaces, attack$"); !slices.Equal(got, want[1:2]) {
		t.Errorf("one: got %q", got)
	}
}

// TestPage: the page has each kernel that was booted, and says of one that broke what is known.
func TestPage(t *testing.T) {
	all := newest([]string{"linux-image-6.1.0-56-amd64", "linux-image-6.12.118+deb13-amd64"})
	got := markdown(all, map[string]findings{
		"6.1": {
			Kernel: all[0], Host: &serial.Host{Landlock: 2, Settings: map[string]string{"a/b": "1"}},
			Lacking: []serial.Lacking{{Situation: "Yama's scope 1", Why: "there is no Yama"}},
			Results: []serial.Result{{
				Situation: asShipped, Trial: demo, Err: "nono: rw ~/demo; network closed; tier A",
			}, {
				Situation: asShipped, Trial: attack, Out: `{"tier": "A", "findings": [
				{"threat": "E2", "tried": "b", "result": "open"}, {"threat": "E1", "result": "held"}]}`,
			}, {
				Situation: without, Trial: attack, Out: `{"tier": "B", "findings": [
				{"threat": "E1", "tried": "a", "result": "open"},
				{"threat": "E2", "tried": "b", "result": "open"}]}`,
			}},
		},
		"6.12": {Kernel: all[1], Broken: "it was not done within 1s"},
	})
	for _, want := range []string{
		"| 6.1 | `linux-image-6.1.0-56-amd64` | 2 | A | - | - | - | - |",
		"| 6.12 | `linux-image-6.12.118+deb13-amd64` | ? | - |",
		"| Yama's scope 1 | `kernel.yama.ptrace_scope=1` | cannot be had | - |",
		"| `a.b` | 1 | - |", "| open | 6.1 |\n| --- | --- |\n| E1 a | B |\n| E2 b | A, B |\n", "- 6.12: it was not done within 1s", "Landlock's versions 1:",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
