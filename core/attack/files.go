//go:build linux

package attack

import (
	"fmt"

	"github.com/nono-run/nono/core/attack/arena"
)

// fileRows reach for files that were not granted, or more than was granted.
func fileRows() []Row {
	absent, stub, fixed := by(theView, "ENOENT"), by("an empty directory in its place", "EACCES"), by(readOnly, "EROFS", "EACCES")
	moved := by(theRules, "EACCES", "EXDEV")
	seen := open("that a file is there, its size and its times can be seen: Landlock does not hold that")
	watched := open("what happens to a file that is not granted can be watched: Landlock does not hold that")
	kept := made("nono, which changes modes, owners, times and attributes for the agent where it may write", "EACCES", "EPERM")
	memory := open("an agent runs the code it has: what may not be executed are the files of a grant")
	rows := []Row{
		{Threat: "E27", Tried: "read what is not granted", Arrange: at("read", "~/notes.txt"), A: absent, B: rules()},
		{Threat: "E27", Tried: "see that it is there", Arrange: at("stat", "~/notes.txt"), A: absent, B: seen},
		{Threat: "E27", Tried: "read what is denied by default", Arrange: at("read", "~/.ssh/id_ed25519"), A: stub, B: rules()},
		{Threat: "E27", Tried: "list what is denied by default", Arrange: at("list", "~/.ssh"), A: stub, B: rules()},
		{Threat: "E28", Tried: "watch what is denied by default", Arrange: at("watch", "~/.ssh"), A: stub, B: watched},
		{Threat: "E28", Tried: "watch what is not granted", Arrange: at("watch", "~/notes.txt"), A: absent, B: watched},
		{Threat: "E29", Tried: "link a file in from outside", A: absent, B: moved, Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "link=" + a.Path("~/notes.txt") + ",linked", Happened: a.Appears("linked")}
		}},
		{Threat: "E29", Tried: "link a file in from what can be read", A: by("mounts of their own", "EXDEV"), B: moved, Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "link=" + a.Path("~/ref/r.txt") + ",hard", Happened: a.Appears("hard")}
		}},
		{Threat: "E29", Tried: "exchange with what can be read", A: by("mounts of their own", "EXDEV", "EROFS"), B: moved, Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write("~/ref/x.txt", "reference")
			a.Write("x.txt", "mine")
			return arena.Attempt{Try: "exchange=x.txt," + a.Path("~/ref/x.txt"), Happened: a.Changed("~/ref/x.txt")}
		}},
		{Threat: "E29", Tried: "move something there", A: by("mounts of their own", "EXDEV", "EROFS"), B: moved, Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write("moved.txt", "mine")
			return arena.Attempt{Try: "rename=moved.txt," + a.Path("~/ref/moved.txt"), Happened: a.Appears("~/ref/moved.txt")}
		}},
		{Threat: "E30", Tried: "truncate what can be read", A: fixed, B: by(theRules+", and before version 3 of its interface the filter", "EACCES", "EPERM", "ENOSYS"), Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write("~/ref/t.txt", "reference")
			return on("truncate", "~/ref/t.txt", "")(a)
		}},
		{Threat: "E30", Tried: "truncate it by opening it", A: fixed, B: by(theRules+", and before version 3 of its interface the filter", "EACCES", "EPERM"), Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write("~/ref/o.txt", "reference")
			return on("open-trunc", "~/ref/o.txt", "")(a)
		}},
		{Threat: "E34", Tried: "start a program that is in memory alone", A: memory, B: memory, Arrange: just("memfd=/bin/true")},
		{Threat: "E34", Tried: "start a program where nothing may be executed", A: by("a mount that executes nothing", "EACCES"), B: rules(), Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "run=" + a.Copy("/bin/true", "~/out/true")}
		}},
		{Threat: "E35", Tried: "start it by the loader", Works: "ok", A: by("a mount that executes nothing", "exit status 127"), B: open("what may be read can be mapped by a loader: Landlock holds execve alone"), Lacks: noLoader, Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "run=" + loader() + " " + a.Copy("/bin/true", "~/out/true2")}
		}},
		{Threat: "E74", Tried: "leave something in a start-up file", Arrange: on("create", "~/.bashrc", ",evil"), A: by("a home of its own", "ok"), B: rules()},
		{Threat: "E74", Tried: "leave a program in ~/.local/bin", A: by("a home of its own", "ok", "ENOENT"), B: rules(), Arrange: func(a *arena.Arena) arena.Attempt {
			a.Mkdir("~/.local/bin")
			return arena.Attempt{Try: "create=" + a.Path("~/.local/bin/git") + ",evil", Happened: a.Appears("~/.local/bin/git")}
		}},
		{Threat: "E75", Tried: "read through a link", A: absent, B: rules(), Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "read=" + a.Symlink("a-link", "~/notes.txt")}
		}},
		{Threat: "E75", Tried: "read through a link what is denied", A: stub, B: rules(), Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "read=" + a.Symlink("b-link", "~/.ssh/id_ed25519")}
		}},
		{Threat: "E75", Tried: "write through a link", A: fixed, B: rules(), Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write("~/ref/l.txt", "reference")
			link := a.Symlink("c-link", "~/ref/l.txt")
			return arena.Attempt{Try: "append=" + link + ",evil", Happened: a.Changed("~/ref/l.txt")}
		}},
	}
	for i, try := range []string{"chmod", "utimes", "setxattr"} {
		readable := fmt.Sprintf("~/ref/m%d.txt", i)
		rows = append(rows,
			Row{Threat: "E26", Tried: try + " of what is not granted", Arrange: on(try, "~/notes.txt", ""), A: absent, B: kept},
			Row{Threat: "E26", Tried: try + " of what can be read", A: fixed, B: kept, Arrange: func(a *arena.Arena) arena.Attempt {
				a.Write(readable, "reference")
				return on(try, readable, "")(a)
			}})
	}
	return append(rows,
		Row{Threat: "E26", Tried: "chown of what is not granted", Arrange: at("chown-same", "~/notes.txt"), A: absent, B: kept},
	)
}
