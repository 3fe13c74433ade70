package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/kernels/serial"
)

// The ordinary user, whom the root's /etc/passwd knows.
const (
	user   = "dev"
	userID = 1000
)

// Where programs are found: nono's before all others, and before them, for nono's own tests, what
// stands in for a compiler.
const (
	programs = "/opt/nono:/usr/bin:/bin:/usr/sbin:/sbin"
	testsDir = "/opt/tests"
)

// situation brings the kernel into it, runs its trials, and puts the settings back.
func situation(say *json.Encoder, s serial.Situation) (failed error) {
	for _, set := range s.Settings {
		path := filepath.Join("/proc/sys", set.Path)
		before, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return say.Encode(serial.Line{Lacking: &serial.Lacking{
				Situation: s.Name, Why: "there is no " + path,
			}})
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(set.Value), 0); err != nil {
			return err
		}
		defer func() {
			failed = errors.Join(failed, os.WriteFile(path, bytes.TrimSpace(before), 0))
		}()
	}
	if out, err := script(s.Before); err != nil {
		return say.Encode(serial.Line{Lacking: &serial.Lacking{
			Situation: s.Name, Why: fmt.Sprintf("%s: %v", bytes.TrimSpace(out), err),
		}})
	}
	defer func() {
		if out, err := script(s.After); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", out, err))
		}
	}()
	for _, t := range s.Trials {
		r := run(t)
		r.Situation = s.Name
		if err := say.Encode(serial.Line{Result: &r}); err != nil {
			return err
		}
	}
	return nil
}

// script runs some commands as root.
func script(text string) ([]byte, error) {
	c := exec.Command("/bin/bash", "-eu", "-o", "pipefail", "-c", text)
	c.Env = environment("root", "/root")
	return c.CombinedOutput()
}

// run makes one trial.
func run(t serial.Trial) serial.Result {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(t.Seconds)*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, t.Command[0], t.Command[1:]...)
	c.Dir = t.Dir
	c.Env = environment("root", "/root")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !t.Root {
		c.Env = environment(user, "/home/"+user)
		c.SysProcAttr.Credential = &syscall.Credential{Uid: userID, Gid: userID}
	}
	var out, diagnostics bounded
	c.Stdout, c.Stderr = &out, &diagnostics
	c.Cancel = func() error { return unix.Kill(-c.Process.Pid, unix.SIGKILL) }
	c.WaitDelay = 5 * time.Second // somebody who got away may hold the pipes
	if filepath.Dir(t.Command[0]) == testsDir {
		c.Env = append(c.Env, "PATH="+testsDir+":"+programs)
	}
	start := time.Now()
	err := c.Run()
	r := serial.Result{
		Trial: t.Name, Root: t.Root,
		Code: -1, TimedOut: ctx.Err() != nil,
		Took: time.Since(start).Round(time.Millisecond),
		Out:  out.String(), Err: diagnostics.String(),
	}
	if c.ProcessState != nil {
		r.Code = c.ProcessState.ExitCode()
	} else {
		r.Err += err.Error() + "\n"
	}
	return r
}

func environment(name, home string) []string {
	return []string{
		"HOME=" + home, "USER=" + name, "LOGNAME=" + name, "SHELL=/bin/bash", "LANG=C.UTF-8",
		"PATH=" + programs, "TERM=dumb",
	}
}

// bounded keeps the beginning of what is written to it: the serial line is slow.
type bounded struct{ bytes.Buffer }

const most = 512 << 10

func (b *bounded) Write(p []byte) (int, error) {
	if room := most - b.Len(); room < len(p) {
		b.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
