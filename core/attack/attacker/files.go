//go:build linux

package attacker

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// files are tries on files, and on what comes with a process.
var files = tries{
	"read":  func(p string) string { _, err := os.ReadFile(p); return outcome(err) },
	"stat":  func(p string) string { _, err := os.Lstat(p); return outcome(err) },
	"list":  func(p string) string { _, err := os.ReadDir(p); return outcome(err) },
	"mkdir": func(p string) string { return outcome(os.MkdirAll(p, 0o755)) },
	// open and open-w open without reading or writing anything: for devices, and for files that the
	// host acts on.
	"open":       func(p string) string { return opened(p, os.O_RDONLY) },
	"open-w":     func(p string) string { return opened(p, os.O_WRONLY) },
	"truncate":   func(p string) string { return outcome(os.Truncate(p, 0)) },
	"open-trunc": func(p string) string { return opened(p, os.O_RDONLY|os.O_TRUNC) },
	"create":     create,
	"append":     appendTo,
	"remove":     func(p string) string { return outcome(os.Remove(p)) },
	"rename":     func(v string) string { a, b, _ := strings.Cut(v, ","); return outcome(os.Rename(a, b)) },
	"exchange": func(v string) string {
		a, b, _ := strings.Cut(v, ",")
		return outcome(unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
	},
	"link":    func(v string) string { a, b, _ := strings.Cut(v, ","); return outcome(os.Link(a, b)) },
	"symlink": func(v string) string { a, b, _ := strings.Cut(v, ","); return outcome(os.Symlink(a, b)) },
	"chmod":   func(p string) string { return outcome(os.Chmod(p, 0o777)) },
	// chmod-same changes nothing, so that it can be tried on what the whole machine uses.
	"chmod-same": func(p string) string {
		info, err := os.Stat(p)
		if err != nil {
			return outcome(err)
		}
		return outcome(os.Chmod(p, info.Mode()))
	},
	"chown-same": func(p string) string { return outcome(os.Lchown(p, os.Getuid(), -1)) },
	"utimes":     func(p string) string { return outcome(os.Chtimes(p, time.Unix(1, 0), time.Unix(1, 0))) },
	"setxattr":   func(p string) string { return outcome(unix.Setxattr(p, "user.nono", []byte("x"), 0)) },
	"watch":      watch,
	"mknod-null": func(p string) string { return outcome(unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))) },
	// reopen opens standard input once more, for writing.
	"reopen-stdin": func(string) string { return opened("/proc/self/fd/0", os.O_WRONLY) },
	"run": func(v string) string {
		words := strings.Fields(v)
		cmd := exec.Command(words[0], words[1:]...)
		return outcome(cmd.Run())
	},
	"memfd": runFromMemory,
	// env-is names the variables that have this value: VALUE,NAME,...
	"env-is": func(v string) string {
		value, names, _ := strings.Cut(v, ",")
		var found []string
		for name := range strings.SplitSeq(names, ",") {
			if os.Getenv(name) == value {
				found = append(found, name)
			}
		}
		if len(found) == 0 {
			return "none"
		}
		return strings.Join(found, ",")
	},
	"env": func(v string) string {
		var found []string
		for name := range strings.SplitSeq(v, ",") {
			if _, ok := os.LookupEnv(name); ok {
				found = append(found, name)
			}
		}
		if len(found) == 0 {
			return "none"
		}
		return strings.Join(found, ",")
	},
}

// runFromMemory copies a program into memory that has no name, and starts it there.
func runFromMemory(program string) string {
	content, err := os.ReadFile(program)
	if err != nil {
		return outcome(err)
	}
	fd, err := unix.MemfdCreate("program", 0)
	if err != nil {
		return "memfd_create: " + outcome(err)
	}
	f := os.NewFile(uintptr(fd), "program")
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return outcome(err)
	}
	return outcome(exec.Command(fmt.Sprintf("/proc/self/fd/%d", fd)).Run())
}

func opened(p string, flags int) string {
	f, err := os.OpenFile(p, flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err == nil {
		err = f.Close()
	}
	return outcome(err)
}

// create makes a file, or replaces its content: PATH,CONTENT.
func create(v string) string {
	p, content, _ := strings.Cut(v, ",")
	return outcome(os.WriteFile(p, []byte(content), 0o755))
}

// appendTo adds to a file: PATH,CONTENT.
func appendTo(v string) string {
	p, content, _ := strings.Cut(v, ",")
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return outcome(err)
	}
	defer f.Close()
	_, err = f.WriteString(content)
	return outcome(err)
}

// watch asks to be told of what happens in a directory.
func watch(dir string) string {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return "inotify: " + outcome(err)
	}
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, dir, unix.IN_ALL_EVENTS)
	return outcome(err)
}
