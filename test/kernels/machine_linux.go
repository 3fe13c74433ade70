package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/nono-run/nono/test/kernels/serial"
)

// emulator boots machines. Each has one processor, no disk and no network.
const emulator = "qemu-system-x86_64"

// ownTime gives an emulated machine a clock of its own, by which an instruction takes a nanosecond
// and nothing else takes any: it does not matter there how slow the emulator is, and what else this
// machine does. No deadline of nono's or of a test's passes for that.
const ownTime = "shift=0,sleep=off"

// machine is one boot.
type machine struct {
	kernel, image string
	dir           string // for what it says
	deadline      time.Duration
}

// findings are what was said of one boot.
type findings struct {
	Kernel  kernel
	Day     string
	Host    *serial.Host
	Lacking []serial.Lacking
	Results []serial.Result
	Seconds float64
	// Broken is why it is not whole; what was said before that is there.
	Broken string
}

// keep adds what was found of the same kernel before and was not tried anew.
func (f *findings) keep(earlier findings) {
	name := func(r serial.Result) string { return called(r.Situation, r.Root, r.Trial) }
	anew := map[string]bool{}
	for _, r := range f.Results {
		anew[name(r)] = true
	}
	for _, r := range earlier.Results {
		if !anew[name(r)] {
			f.Results = append(f.Results, r)
		}
	}
	for _, l := range earlier.Lacking {
		if !slices.Contains(f.Lacking, l) {
			f.Lacking = append(f.Lacking, l)
		}
	}
	if f.Host == nil {
		f.Host = earlier.Host
	}
}

// boot runs the machine until it turns itself off. What goes wrong is in the findings.
func (m machine) boot(accelerator string) findings {
	said, console := filepath.Join(m.dir, "said.jsonl"), filepath.Join(m.dir, "console.txt")
	ctx, cancel := context.WithTimeout(context.Background(), m.deadline)
	defer cancel()
	args := []string{
		"-n", "5", emulator, "-accel", accelerator, "-cpu", "max", "-smp", "1", "-m", "2560",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
		"-kernel", m.kernel, "-initrd", m.image,
		// The processor's flaws are an emulator's: what is done against them only takes time here.
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr",
		"-serial", "file:" + console, "-serial", "file:" + said,
	}
	if accelerator == "tcg" {
		args = append(args, "-icount", ownTime)
	}
	c := exec.CommandContext(ctx, "nice", args...)
	var diagnostics bytes.Buffer
	c.Stderr = &diagnostics
	start := time.Now()
	err := c.Run()
	f, readErr := read(said)
	f.Seconds = time.Since(start).Seconds()
	switch {
	case ctx.Err() != nil:
		f.Broken = fmt.Sprintf("it was not done within %v", m.deadline)
	case err != nil:
		f.Broken = fmt.Sprintf("%s: %v: %s", emulator, err, diagnostics.Bytes())
	case readErr != nil:
		f.Broken = readErr.Error()
	}
	return f
}

// read reads what was said.
func read(said string) (findings, error) {
	var f findings
	file, err := os.Open(said)
	if err != nil {
		return f, err
	}
	defer file.Close()
	done := false
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var l serial.Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return f, fmt.Errorf("what it said cannot be read: %w", err)
		}
		switch {
		case l.Host != nil:
			f.Host = l.Host
		case l.Lacking != nil:
			f.Lacking = append(f.Lacking, *l.Lacking)
		case l.Result != nil:
			f.Results = append(f.Results, *l.Result)
		case l.Broken != "":
			return f, errors.New(l.Broken)
		}
		done = done || l.Done
	}
	if !done {
		return f, errors.New("it ended before it was done: see console.txt")
	}
	return f, lines.Err()
}
