package launch_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/sdk/fragment"
)

// TestAttacksB: what an agent without namespaces tries on nono-init, on core, and on a process of
// the user's; each in a sandbox as it is, and in one that lacks what should prevent it.
func TestAttacksB(t *testing.T) {
	other := exec.Command(built.prober, "uncapped", "sleep=1h")
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "uncapped: ok\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	stranger, core := fmt.Sprint(other.Process.Pid), fmt.Sprint(os.Getpid())
	// A domain of Landlock's lets nobody in it trace anybody outside. With the rules go the domains.
	noDomain := []string{"landlock", "scope", "guard-landlock"}
	for _, attack := range []struct {
		threat  string
		try     string
		refused string
		without []string // steps of the launcher
		works   string
		fence   bool // it is not core's fence that holds it in the control either
	}{
		{"a signal to nono-init", "reach=parent", "EPERM", []string{"scope"}, "ok", true},
		{"a signal to a thread of nono-init", "reach-threads=parent", "EPERM", []string{"scope"}, "ok", true},
		{"a signal to core", "reach=" + core, "EPERM", []string{"scope"}, "ok", false},
		{"a signal to a process of the user's", "reach=" + stranger, "EPERM", []string{"scope"}, "ok", false},
		{"limits of nono-init", "limit=parent", "EPERM", []string{"seccomp"}, "ok", true},
		{"limits of core", "limit=" + core, "EPERM", []string{"seccomp"}, "ok", true},
		{"limits of a process of the user's", "limit=" + stranger, "EPERM", []string{"seccomp"}, "ok", true},
		{"who is ended first", "adjust=" + stranger, "EACCES", []string{"landlock"}, "ok", true},
		{"E22 attaching to nono-init", "trace=attach,parent", "EPERM", append(noDomain, "dumpable"), "ok", true},
		{"E22 seizing nono-init", "trace=seize,parent", "EPERM", append(noDomain, "dumpable"), "ok", true},
		{"E22 reading the memory of nono-init", "trace=vm-read,parent", "EPERM", append(noDomain, "dumpable"), "ok", true},
		{"E22 writing the memory of nono-init", "trace=vm-write,parent", "EPERM", append(noDomain, "dumpable"), "ok", true},
		{"E22 opening the memory of nono-init", "trace=memory,parent", "EACCES", append(noDomain, "dumpable"), "ok", true},
		{"E22 a descriptor of nono-init", "trace=steal-fd,parent", "EPERM", append(noDomain, "dumpable", "seccomp"), "ok", true},
		{"E22 attaching to the user's", "trace=attach," + stranger, "EPERM", noDomain, "ok", false},
		{"E22 reading the memory of the user's", "trace=vm-read," + stranger, "EPERM", noDomain, "ok", false},
		{"E22 opening the memory of the user's", "trace=memory," + stranger, "EACCES", noDomain, "ok", false},
		{"E31 a user namespace", "user-ns", "EPERM", []string{"seccomp"}, "ok", true},
		{"E08 a socket of the host's network", "socket=2,1,0", "EACCES", []string{"seccomp"}, "ok", true},
		{"E10 a Unix socket", "socket=1,1,0", "EACCES", []string{"seccomp"}, "ok", true},
		{"what was not granted", "read=/etc/passwd", "EACCES", []string{"landlock"}, "", true},
	} {
		t.Run(attack.threat, func(t *testing.T) {
			b := newPlainBox(t, attack.try)
			if strings.HasPrefix(attack.threat, "a signal ") {
				b.recipe.LandlockABI = 6 // the first with scopes
			}
			b.want(t, map[string]string{attack.try: attack.refused})

			if !attack.fence {
				launch.WithoutFence(t)
			}
			b = newPlainBox(t, attack.try)
			b.options.Path = without(t, attack.without...)
			got := b.run(t).of(attack.try)
			if got == attack.works || attack.works == "" && got != attack.refused {
				return
			}
			if strings.HasPrefix(attack.try, "trace=") && yama() {
				t.Skip("no control: Yama keeps processes from each other here")
			}
			t.Errorf("control: without %v: got %q, want %q", attack.without, got, attack.works)
		})
	}
}

// TestGuardStandsTwice: of what keeps nono-init's memory from the agent each holds by itself.
func TestGuardStandsTwice(t *testing.T) {
	tries := map[string]string{
		"trace=attach,parent": "EPERM", "trace=vm-write,parent": "EPERM", "trace=memory,parent": "EACCES",
	}
	for _, steps := range [][]string{{"dumpable"}, {"landlock", "scope", "guard-landlock"}} {
		var names []string
		for try := range tries {
			names = append(names, try)
		}
		b := newPlainBox(t, names...)
		b.options.Path = without(t, steps...)
		b.want(t, tries)
	}
}

// TestGuard is what nono-init itself has left: no capability, on none of its threads.
func TestGuard(t *testing.T) {
	const try = "threads-of=parent"
	r := newPlainBox(t, try).run(t)
	const none = "0000000000000000"
	for _, thread := range strings.Split(r.of(try), " | ") {
		if !strings.HasPrefix(thread, strings.Repeat(none+" ", 4)+"1 ") {
			t.Errorf("a thread has %q", thread)
		}
	}
}

// TestSignalsB: where no scope keeps signals from nono-init, those that can be caught do not end it,
// and one that stops it does not keep the run. One that cannot be caught is the end of the run, and
// of all that is inside.
func TestSignalsB(t *testing.T) {
	launch.WithoutFence(t)
	run := func(tries ...string) (result, *box) {
		b := newPlainBox(t, tries...)
		b.options.Path = without(t, "scope")
		return b.run(t), b
	}
	if r, _ := run("signals=parent", "exit=3"); r.err != nil || r.of("signals=parent") != "survived" || r.Code != 3 {
		t.Errorf("signals: got %+v", r)
	}
	if r, _ := run("stop=parent", "exit=3"); r.err != nil || r.of("stop=parent") != "ok" || r.Code != 3 {
		t.Errorf("stopped: got %+v", r)
	}
	r, b := run("leave=10", "end=parent", "sleep=1h")
	if r.err == nil || !strings.Contains(r.err.Error(), "nono-init") {
		t.Errorf("ended: got %+v", r)
	}
	noneLeft(t, b)

	control := newPlainBox(t, "signals=parent", "exit=3")
	control.options.Path = without(t, "scope", "guard-signals")
	if r := control.run(t); r.err == nil {
		t.Errorf("control: got %+v", r)
	}
}

// TestEmptying: a file that may be read and not written cannot be emptied, by no version of
// Landlock. Before version 3 Landlock does not see it, and the filter refuses.
func TestEmptying(t *testing.T) {
	for _, abi := range []int{1, 2, 3, 7} {
		for _, filtered := range []bool{true, false} {
			dir := t.TempDir()
			name := filepath.Join(dir, "file")
			if err := os.WriteFile(name, []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			b := newPlainBox(t, "truncate="+name, "open-truncate="+name, "openat2-truncate="+name, "read="+name,
				"truncate=own", "stat=own")
			if err := os.WriteFile(filepath.Join(b.project, "own"), []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			b.recipe.LandlockABI = abi
			b.recipe.Landlock = append(b.recipe.Landlock, grant(dir, fragment.RightRead))
			version := 7
			if filtered {
				version = abi
			}
			b.recipe.Seccomp = plainFilter(t, version)
			r := b.run(t)
			if r.err != nil {
				t.Fatal(r.err)
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			held := filtered || abi >= 3
			if (string(text) == "content") != held {
				t.Errorf("version %d, filter %v: the file holds %q: %s", abi, filtered, text, r.out)
			}
		}
	}
}

// TestDevicesB: a device that may be read and not more has no ioctl, and before version 5 of
// Landlock cannot be opened for nothing else.
func TestDevicesB(t *testing.T) {
	const try = "device-ioctl=/dev/ptmx"
	for abi, want := range map[int]string{4: "open: EACCES", 5: "EACCES"} {
		b := newPlainBox(t, try)
		b.recipe.LandlockABI, b.recipe.Seccomp = abi, plainFilter(t, abi)
		if got := b.run(t).of(try); got != want {
			t.Errorf("version %d: got %s, want %s", abi, got, want)
		}
	}
	b := newPlainBox(t, try)
	b.recipe.LandlockABI = 4
	if got := b.run(t).of(try); got == "EACCES" || got == "open: EACCES" {
		t.Errorf("control: version 4 without the filter for it: got %s", got)
	}
}

// TestEverybody: before version 6 of Landlock nothing but the filter keeps a signal to everybody from
// all that the user runs.
func TestEverybody(t *testing.T) {
	for abi, want := range map[int]string{5: "EPERM", 7: "ok"} {
		b := newPlainBox(t, "reach-all")
		b.recipe.Seccomp = plainFilter(t, abi)
		b.want(t, map[string]string{"reach-all": want})
	}
}

// TestListenerTaken: where nono runs under a filter that has a listener there is no other. The host
// says so from the beginning, and a recipe that wants one all the same is an error of that step.
func TestListenerTaken(t *testing.T) {
	for mode, want := range map[string]string{
		"listened": "notify false\nstep notify: device or resource busy\n", "unlistened": "notify true\nready\n",
	} {
		out, err := hostCommand(t, mode, built.init, "pid").CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v", mode, out, err)
		}
	}
}
