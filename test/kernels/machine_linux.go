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
	"time"

	"github.com/nono-run/nono/test/kernels/serial"
)

// emulator boots machines. Each has one processor, no disk and no network.
const emulator = "qemu-system-x86_64"

// machine is one boot.
type machine struct {
	kernel, image string
	append        string // to the kernel's command line
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

// boot runs the machine until it turns itself off. What goes wrong is in the findings.
func (m machine) boot(accelerator string) findings {
	said, console := filepath.Join(m.dir, "said.jsonl"), filepath.Join(m.dir, "console.txt")
	ctx, cancel := context.WithTimeout(context.Background(), m.deadline)
	defer cancel()
	c := exec.CommandContext(ctx, "nice", "-n", "5", emulator,
		"-accel", accelerator, "-cpu", "max", "-smp", "1", "-m", "2560",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
		"-kernel", m.kernel, "-initrd", m.image,
		// The processor's flaws are an emulator's: what is done against them only takes time here.
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr "+m.append,
		"-serial", "file:"+console, "-serial", "file:"+said,
	)
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
