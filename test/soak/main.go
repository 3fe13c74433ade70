//go:build linux

// Command soak starts and ends nono a thousand times, many at once, on a machine that is kept busy,
// and looks at what that leaves.
//
// A run is an ordinary one, or one of its processes is killed or sent a signal at a moment that is
// drawn, or it begins under an umask or a limit that is drawn. What must hold: an ordinary run ends
// as its command does, whatever happened to those before it and beside it; any other ends too, with
// a sentence and not with a dump; and at the end nothing is left, no process, directory, mount or
// keyring.
//
// Then nono, nono-init and the layers are killed at moments that are drawn, from the first one to
// the last of their runs. What must hold: the next start finishes the session, and all that the
// layers took is released.
//
// With -tier B all of that is on a host where nobody may make a user namespace. There a process
// that is killed takes no other with it: what remains is ended by nono-init, or by core.
//
// With -network it is one run instead, whose agent puts load on the network (network.go), and with
// -credentials one whose agent uses a service with a key (credentials.go). With -signed somebody
// outside swaps the content of a signed file while nono starts (swaps.go).
//
//	make soak
//	go run ./test/soak -nono bin/nono -layers bin/soak -runs 1000 -kills 200 -seed 7
//	go run ./test/soak -nono bin/nono -layers bin/soak -tier B
//	go run ./test/soak -nono bin/nono -network
//	go run ./test/soak -nono bin/nono -credentials
//	go run ./test/soak -nono bin/nono -signed -swaps 100
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/load"
)

func main() {
	hosts.Arrange()
	var s soak
	flag.StringVar(&s.tier, "tier", "A", "A, or B: on a host without user namespaces")
	flag.StringVar(&s.nono, "nono", "bin/nono", "nono's program")
	flag.StringVar(&s.layers, "layers", "bin/soak", "where the tests' layers are, echo and keeper")
	flag.IntVar(&s.runs, "runs", 1000, "how many runs")
	flag.IntVar(&s.kills, "kills", 200, "how many of the runs after them are killed")
	flag.IntVar(&s.beside, "beside", 4, "how many at once")
	flag.IntVar(&s.burden, "burden", runtime.NumCPU(), "how many loops keep processors busy meanwhile")
	now := uint64(time.Now().UnixNano())
	flag.Uint64Var(&s.seed, "seed", now, "what is drawn depends on it; it is printed, to be repeated")
	network := flag.Bool("network", false, "put load on the network instead")
	credentials := flag.Bool("credentials", false, "put load on a service with a key instead")
	undo := flag.Bool("snapshots", false, "kill runs with a snapshot, and rollbacks, instead")
	signed := flag.Bool("signed", false, "swap a signed file's content while nono starts, instead")
	swaps := flag.Int("swaps", 1000, "how many starts that are, for each way to swap")
	client := flag.Bool("client", false, "be the agent that does it")
	flag.Parse()
	soak := s.soak
	switch {
	case s.tier != "A" && s.tier != "B":
		soak = func() error { return fmt.Errorf("there is no tier %q", s.tier) }
	case s.tier == "B" && !forbidden():
		soak = forbid
	case *client:
		soak = load.Client
	case *undo:
		soak = func() error { return soakSnapshots(s.nono, s.kills, s.seed) }
	case *signed:
		soak = func() error { return soakSwaps(s.nono, *swaps) }
	case *network:
		soak = func() error { return load.Alone(func() error { return soakNetwork(s.nono) }) }
	case *credentials:
		soak = func() error { return load.Alone(func() error { return soakCredentials(s.nono) }) }
	}
	if err := soak(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// forbidden reports whether this is already a host on which nobody may make a user namespace.
func forbidden() bool {
	most, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	return err == nil && strings.TrimSpace(string(most)) == "0"
}

// forbid runs this program once more, on such a host.
func forbid() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	again := exec.Command(self, os.Args[1:]...)
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := (hosts.Host{NoNamespaces: true}).Wrap(again); err != nil {
		return err
	}
	return again.Run()
}

// soak is one thousand runs.
type soak struct {
	nono, layers, tier          string
	runs, kills, beside, burden int
	seed                        uint64

	users []*user // one for all ordinary runs, and one for each line of kills

	mu      sync.Mutex
	counts  map[string]int // of runs, by what was done to them and how they ended
	wrong   []string
	longest *running
}

func (s *soak) soak() error {
	for _, path := range []*string{&s.nono, &s.layers} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	// Whatever a run leaves behind becomes a child of this process, and is found.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	for range 1 + s.beside {
		u, err := s.makeUser()
		if err != nil {
			return err
		}
		defer os.RemoveAll(u.home)
		defer os.RemoveAll(u.runtime)
		s.users = append(s.users, u)
	}
	heed()
	s.counts = map[string]int{}
	before := surroundings()
	fmt.Printf("soak: tier %s, %d runs, %d at once, seed %d\n", s.tier, s.runs, s.beside, s.seed)
	began := time.Now()
	unburden := burden(s.burden)
	s.all()
	s.last()
	fmt.Printf("soak: %d kills\n", s.kills)
	s.allKills()
	unburden()
	s.compare(before)
	s.report(time.Since(began))
	if len(s.wrong) > 0 {
		return fmt.Errorf("%d things are wrong:\n%s", len(s.wrong), strings.Join(s.wrong, "\n"))
	}
	return nil
}

// heed has the runs heed what this process was started to ignore, as every shell has it of what it
// starts in the background: they would go on when a signal of these ends others.
func heed() {
	for _, s := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// user is somebody who runs nono.
type user struct{ home, runtime string }

// The policies in the project: with a resident layer, and with a bracket layer as well, which takes
// its time.
const (
	oneLayer  = "agent.hcl"
	twoLayers = "both.hcl"
)

// newUser makes a home with an empty project.
func newUser() (*user, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	u := new(user)
	if u.home, err = os.MkdirTemp(home, ".soak-"); err != nil {
		return nil, err
	}
	if u.runtime, err = os.MkdirTemp("/tmp", "soak-"); err != nil { // short: a socket's path begins so
		return nil, err
	}
	return u, errors.Join(os.Mkdir(u.project(), 0o755), os.Mkdir(u.temporary(), 0o700))
}

// makeUser makes one in whose project policies name the layers.
func (s *soak) makeUser() (*user, error) {
	u, err := newUser()
	if err != nil {
		return nil, err
	}
	layer := func(name, settings string) string {
		return fmt.Sprintf("layer %q {\n  plugin = %q\n  %s\n}\nplugin %q { path = %q }\n",
			name, "test/"+name, settings, "test/"+name, filepath.Join(s.layers, name))
	}
	one := "filesystem { allow = [\".\"] }\n" + layer("echo", "")
	for name, policy := range map[string]string{
		oneLayer: one, twoLayers: one + layer("keeper", "slowly = true"),
	} {
		if err := os.WriteFile(filepath.Join(u.project(), name), []byte(policy), 0o644); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"echo", "keeper"} {
		if err := u.lock(s.nono, "test/"+name, filepath.Join(s.layers, name)); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// lock has the user lock a layer's program.
func (u *user) lock(nono, layer, program string) error {
	cmd := exec.Command(nono, "plugin", "lock", layer, program)
	cmd.Dir, cmd.Env = u.project(), u.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("locking %s: %w\n%s", layer, err, out)
	}
	return nil
}

// environ is the user's environment.
func (u *user) environ() []string {
	return []string{
		"HOME=" + u.home, "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "XDG_RUNTIME_DIR=" + u.runtime,
		"TMPDIR=" + u.temporary(),
	}
}

// temporary is where a session of tier B has its own directory.
func (u *user) temporary() string { return filepath.Join(u.runtime, "tmp") }

func (u *user) project() string { return filepath.Join(u.home, "proj") }

// burden keeps so many processors busy until its result is called.
func burden(loops int) (stop func()) {
	done := make(chan struct{})
	for range loops {
		go func() {
			for n := uint64(0); ; n++ {
				if n%1024 == 0 {
					select {
					case <-done:
						return
					default:
					}
				}
			}
		}()
	}
	return func() { close(done) }
}

func (s *soak) all() {
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range s.beside {
		workers.Go(func() {
			for n := range numbers {
				s.one(n, rand.New(rand.NewPCG(s.seed, uint64(n))))
			}
		})
	}
	for n := range s.runs {
		if n > 0 && n%100 == 0 {
			fmt.Printf("soak: %d\n", n)
		}
		numbers <- n
	}
	close(numbers)
	workers.Wait()
}

// last is a run after all, which removes what killed ones left on disk.
func (s *soak) last() {
	r := s.start(s.users[0], trial{name: "last", agent: "exit 7", policy: oneLayer})
	r.end()
	s.judge(r, r.code == 7)
}

// A surrounding is what a machine has besides files: each a set of lines.
type surrounding map[string][]string

func surroundings() surrounding {
	lines := func(path string, columns ...int) []string {
		content, _ := os.ReadFile(path)
		var all []string
		for line := range strings.Lines(string(content)) {
			fields := strings.Fields(line)
			var kept []string
			for _, c := range columns {
				if c < len(fields) {
					kept = append(kept, fields[c])
				}
			}
			all = append(all, strings.Join(kept, " "))
		}
		return all
	}
	return surrounding{
		"mount":   lines("/proc/self/mountinfo", 3, 4, 8),
		"keyring": lines("/proc/keys", 0, 7, 8),
	}
}

// compare looks for what was not there before.
func (s *soak) compare(before surrounding) {
	for what, lines := range surroundings() {
		for _, line := range lines {
			if !slices.Contains(before[what], line) {
				s.fail("a %s is left: %s", what, line)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
		left := descendants(os.Getpid())
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			s.fail("processes are left: %v", left)
			break
		}
	}
	for _, u := range s.users {
		for _, dir := range left(filepath.Join(u.runtime, "nono")) {
			s.fail("the directory of a run is left: %s", dir)
		}
		for _, wrong := range u.unfinished() {
			s.fail("at the end: %s", wrong)
		}
		verify := exec.Command(s.nono, "audit", "verify", "--all")
		verify.Dir, verify.Env = u.project(), u.environ()
		if out, err := verify.CombinedOutput(); err != nil {
			s.fail("the logs are not what was written: %v\n%s", err, out)
		}
	}
}

func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *soak) report(took time.Duration) {
	var names []string
	total := 0
	for name, n := range s.counts {
		names = append(names, name)
		total += n
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("%6d  %s\n", s.counts[name], name)
	}
	fmt.Printf("soak: %d runs in %s; the longest took %s\n", total,
		took.Round(time.Second), s.longest.took.Round(time.Millisecond))
	fmt.Printf("soak: that was %s", s.longest)
}
