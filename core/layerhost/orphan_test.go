package layerhost

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

func contextWithTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// TestKilledHostLeavesNoLayer kills a host with SIGKILL at some moments of a layer's life.
func TestKilledHostLeavesNoLayer(t *testing.T) {
	for _, mode := range []string{"honest", "hang-begin", "hang-plan", "stop-plan"} {
		t.Run(mode, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			dir, err := os.MkdirTemp("", "lh")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			host := exec.Command(exe, mode, dir)
			host.Env = append(os.Environ(), "NONO_TEST_ROLE=host")
			host.Stderr = os.Stderr
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if !running(pid) {
				t.Fatal("the layer never ran")
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait()
			gone(t, pid)
		})
	}
}

// hostRole starts a layer, prints its process, and waits to be killed.
func hostRole() {
	mode, dir := os.Args[1], os.Args[2]
	exe, err := os.Executable()
	check(err)
	s := Spec{
		Kind: policy.KindCustom, Name: mode, Binary: &Binary{Name: mode, Path: exe, Builtin: true}, Dir: dir, Build: sdk.Build,
	}
	if mode == "hang-begin" {
		// It is found among the processes, for Start does not return.
		go func() {
			for {
				for _, pid := range childrenOfThis() {
					// Go itself forks a child, for a moment, to try what the kernel can do.
					if args, _ := os.ReadFile("/proc/" + pid + "/cmdline"); strings.HasPrefix(string(args), layerPrefix) {
						fmt.Println(pid)
						return
					}
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
	}
	ctx := context.Background()
	l, err := Start(ctx, s)
	check(err)
	_, err = l.Describe(ctx)
	check(err)
	check(l.OpenSession(ctx, &recorder{}))
	time.AfterFunc(200*time.Millisecond, func() { fmt.Println(l.PID()) })
	_, err = l.Plan(ctx, &sdk.PlanRequest{Run: tierA})
	check(err)
	select {}
}

func childrenOfThis() []string {
	var all []string
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		children, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		all = append(all, strings.Fields(string(children))...)
	}
	return all
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
