// Command guest is the first process of a machine that was booted to try nono: it makes a Linux
// host of what it finds, runs the task, and turns the machine off.
//
// The machine has no disk and no network. Its first file system is bound onto itself and entered,
// for no process can leave the kernel's own behind, which is a part of making a sandbox.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/kernels/serial"
)

// system is where the host's own file system lies in the first one.
const system = "/system"

// modules is where those of the kernel lie.
const modules = "/usr/lib/modules"

func main() {
	if os.Getpid() != 1 {
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, "guest:", err)
			os.Exit(1)
		}
		return
	}
	if err := boot(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// boot makes the host, starts the work as a process of its own, and buries who is left behind until
// that ends.
func boot() error {
	if err := enter(); err != nil {
		return err
	}
	if err := mountAll(); err != nil {
		return err
	}
	c := exec.Command("/guest")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Env = environment("root", "/root")
	if err := c.Start(); err != nil {
		return err
	}
	for {
		pid, err := unix.Wait4(-1, nil, 0, nil)
		if err != nil && err != unix.EINTR {
			return err
		}
		if pid == c.Process.Pid {
			return nil
		}
	}
}

// enter makes the system a mount and the root of all that follows.
func enter() error {
	if err := unix.Mount(system, system, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("binding %s: %w", system, err)
	}
	if err := unix.Chdir(system); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving %s: %w", system, err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Chdir("/")
}

func mountAll() error {
	type mount struct {
		kind, at, data string
		flags          uintptr
	}
	const plain = unix.MS_NOSUID | unix.MS_NODEV
	for _, m := range []mount{
		{"proc", "/proc", "", plain | unix.MS_NOEXEC},
		{"sysfs", "/sys", "", plain | unix.MS_NOEXEC},
		{"securityfs", "/sys/kernel/security", "", plain | unix.MS_NOEXEC},
		{"devtmpfs", "/dev", "", unix.MS_NOSUID},
		{"devpts", "/dev/pts", "ptmxmode=0666,mode=0620,gid=5", unix.MS_NOSUID | unix.MS_NOEXEC},
		{"tmpfs", "/dev/shm", "mode=1777", plain},
		{"tmpfs", "/run", "mode=0755", plain},
		{"tmpfs", "/tmp", "mode=1777", plain},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mounting %s: %w", m.at, err)
		}
	}
	// As an ordinary host has it, where mounts are seen by whoever was there before.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("sharing the mounts: %w", err)
	}
	return unix.Sethostname([]byte("kernels"))
}

// work runs the task, and tells what is found.
func work() error {
	line, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	say := json.NewEncoder(line)
	if err = do(say); err != nil {
		err = errors.Join(err, say.Encode(serial.Line{Broken: err.Error()}))
	}
	return errors.Join(err, say.Encode(serial.Line{Done: true}))
}

func do(say *json.Encoder) error {
	text, err := os.ReadFile(serial.TaskFile)
	if err != nil {
		return err
	}
	var task serial.Task
	if err := json.Unmarshal(text, &task); err != nil {
		return err
	}
	if err := prepare(); err != nil {
		return err
	}
	host, err := look()
	if err != nil {
		return err
	}
	if err := say.Encode(serial.Line{Host: host}); err != nil {
		return err
	}
	for _, s := range task.Situations {
		if err := situation(say, s); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// prepare does what a distribution does when it starts: modules are found by their names from here
// on, if there are any, and the loopback is up.
func prepare() error {
	if _, err := os.Stat(modules); err == nil {
		if out, err := exec.Command("/sbin/depmod").CombinedOutput(); err != nil {
			return fmt.Errorf("depmod: %w: %s", err, out)
		}
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}
