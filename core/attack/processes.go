//go:build linux

package attack

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
	"github.com/nono-run/nono/core/attack/attacker"
)

// processRows reach for the user's other processes, for what they share, and for the one that
// keeps the agent.
func processRows() []Row {
	gone := by(processes, "ESRCH", "ENOENT", "no threads to be seen", "pidfd_open: ESRCH")
	var rows []Row
	rows = append(rows,
		Row{Threat: "E13", Tried: "signal", Arrange: against("signal"), A: gone, NoLayer: true, B: since(firstScope, by(theScope, "EPERM"), "Landlock can hold signals from version 6 of its interface on (Linux 6.12)")},
		Row{Threat: "E13", Tried: "pidfd", Arrange: against("pidfd"), A: gone, NoLayer: true, B: open("a process can be named by a descriptor; what could be done with that is held")})
	for _, try := range []string{"priority", "io-priority", "affinity"} {
		rows = append(rows, Row{Threat: "E14", Tried: try, Arrange: against(try), A: gone, NoLayer: true, B: open("the user's other processes can be looked at, and given less of the processor")})
	}
	rows = append(rows, Row{Threat: "E14", Tried: "prlimit", Arrange: against("prlimit"), A: gone, B: filter("EPERM"), NoLayer: true})
	closed := []string{"EPERM", "EACCES", "ENOSYS"}
	domain := by(theDomain, closed...)
	for _, try := range []string{"ptrace", "vm-read", "steal-fd", "kcmp", "memory", "threads", "environ", "root", "descriptor", "namespace", "map-files"} {
		rows = append(rows,
			Row{Threat: "E22", Tried: try + " of another process", Arrange: against(try), A: by(processes, slices.Concat(gone.Answers, closed)...), B: domain, NoLayer: true, Lacks: yama},
			Row{Threat: "E22", Tried: try + " of the one that keeps it", Arrange: againstKeeper(try), A: by("a keeper that nobody can look into", closed...), B: domain, NoLayer: true, Lacks: yama},
			Row{Threat: "E22", Tried: try + " of nono itself", Arrange: againstCore(try), A: by(processes, slices.Concat(gone.Answers, closed)...), B: domain, NoLayer: true, Lacks: yama})
	}
	return append(rows,
		Row{
			Threat: "E23", Tried: "arguments of another process", NoLayer: true, A: by(processes, "nowhere"), B: open("the arguments of the user's other processes can be read, as by every program of the user's"),
			Arrange: func(a *arena.Arena) arena.Attempt { return arena.Attempt{Try: "cmdlines=" + a.Secret} },
		},
		Row{Threat: "E24", Tried: "a secret in the user's environment", NoLayer: true, Arrange: just("env=" + arena.SecretName), Works: arena.SecretName, A: by("an environment of what is allowed alone", "none")},
		Row{Threat: "E25", Tried: "an inherited descriptor", NoLayer: true, A: by("no descriptor but the three streams", "none"), Arrange: leaveOpen},
		Row{Threat: "E32", Tried: "a System V queue", NoLayer: true, A: by(theIPC, "ENOENT"), B: filter("ENOSYS", "EPERM", "EACCES"), Arrange: sysv("sysv-msg", unix.SYS_MSGGET, 0, unix.SYS_MSGCTL)},
		Row{Threat: "E32", Tried: "a System V segment", NoLayer: true, A: by(theIPC, "ENOENT"), B: filter("ENOSYS", "EPERM", "EACCES"), Arrange: sysv("sysv-shm", unix.SYS_SHMGET, 4096, unix.SYS_SHMCTL)},
		Row{Threat: "E32", Tried: "System V semaphores", NoLayer: true, A: by(theIPC, "ENOENT"), B: filter("ENOSYS", "EPERM", "EACCES"), Arrange: sysv("sysv-sem", unix.SYS_SEMGET, 1, unix.SYS_SEMCTL)},
		Row{Threat: "E32", Tried: "a POSIX queue", NoLayer: true, A: by(theIPC, "ENOENT"), B: filter("ENOSYS", "EPERM", "EACCES"), Arrange: posixQueue},
		Row{Threat: "E32", Tried: "POSIX shared memory", NoLayer: true, A: by("a /dev/shm of its own", "ENOENT"), B: rules(), Arrange: sharedMemory},
	)
}

// against is an attempt on a process of the user's.
func against(try string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt { return arena.Attempt{Try: try + "=" + a.Outsider()} }
}

// againstKeeper is one on the process that keeps the agent, which the attacker finds by itself. With
// no sandbox any process of the user's stands for it.
func againstKeeper(try string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		if !a.Sandboxed {
			return against(try)(a)
		}
		return arena.Attempt{Try: try + "=" + attacker.Keeper}
	}
}

// againstCore is one on nono itself, which stays beside the agent.
func againstCore(try string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		if !a.Sandboxed {
			return against(try)(a)
		}
		return arena.Attempt{Try: try + "=" + attacker.Core}
	}
}

// leaveOpen is a file that is open when nono starts, without being marked close-on-exec.
func leaveOpen(a *arena.Arena) arena.Attempt {
	a.Write("~/open.txt", "open")
	f, err := os.OpenFile(a.Path("~/open.txt"), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		a.Note(err)
		return arena.Attempt{}
	}
	a.Cleanup(func() { f.Close() })
	a.Open = append(a.Open, f)
	return arena.Attempt{Try: "inherited=" + f.Name(), Happened: a.Changed("~/open.txt")}
}

// number makes one of an arena's name, which is hexadecimal.
func number(name string) uintptr {
	n, _ := strconv.ParseUint(name, 16, 31)
	return uintptr(n)
}

// sysv makes an object of System V's, which everybody who knows its number can open.
func sysv(try string, get, size, control uintptr) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		key := number(a.Name)
		args := [3]uintptr{key, size, 0o600 | unix.IPC_CREAT}
		if get == unix.SYS_MSGGET {
			args = [3]uintptr{key, 0o600 | unix.IPC_CREAT}
		}
		id, _, errno := syscall.Syscall(get, args[0], args[1], args[2])
		if errno != 0 {
			a.Note(errno)
			return arena.Attempt{}
		}
		a.Cleanup(func() {
			if get == unix.SYS_SEMGET {
				_, _, _ = syscall.Syscall(control, id, 0, unix.IPC_RMID)
			} else {
				_, _, _ = syscall.Syscall(control, id, unix.IPC_RMID, 0)
			}
		})
		return arena.Attempt{Try: fmt.Sprintf("%s=%d", try, key)}
	}
}

func posixQueue(a *arena.Arena) arena.Attempt {
	name := "nono-" + a.Name
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		a.Note(err)
		return arena.Attempt{}
	}
	fd, _, errno := syscall.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	if errno != 0 {
		a.Note(errno)
		return arena.Attempt{}
	}
	_ = unix.Close(int(fd))
	a.Cleanup(func() { _, _, _ = syscall.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0) })
	return arena.Attempt{Try: "posix-mq=" + name}
}

func sharedMemory(a *arena.Arena) arena.Attempt {
	f, err := os.CreateTemp("/dev/shm", "nono-")
	if err != nil {
		a.Note(err)
		return arena.Attempt{}
	}
	f.Close()
	a.Cleanup(func() { _ = os.Remove(f.Name()) })
	return arena.Attempt{Try: "read=" + f.Name()}
}

// hideKey puts a key into the user's keyring, which every process of the user's may read.
func hideKey(a *arena.Arena) arena.Attempt {
	name := "nono-" + a.Name
	id, err := addKey(name)
	if err != nil {
		a.Note(err)
		return arena.Attempt{}
	}
	a.Cleanup(func() { _, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0) })
	return arena.Attempt{Try: "keyring=" + name}
}

func addKey(name string) (int, error) {
	id, err := unix.AddKey("user", name, []byte("key"), unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		return 0, err
	}
	const userMay = 0x3f3f0000
	return id, unix.KeyctlSetperm(id, userMay)
}
