package toolchain

import (
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
)

// shellWords are the commands that only a shell has: no program of these names changes anything for
// what comes after it.
var shellWords = []string{
	".", ":", "alias", "builtin", "cd", "command", "declare", "eval", "exec", "exit", "export", "for",
	"function", "if", "popd", "pushd", "return", "set", "shopt", "source", "trap", "type", "ulimit",
	"umask", "unset", "until", "while",
}

// assignment is what a shell takes for a variable before a command.
var assignment = lazyregexp.New(`^([A-Za-z_][A-Za-z0-9_]*)=`)

// meant is the failure of a name that was typed, with what was probably meant by it.
func (r *resolver) meant(err *Error) *Error {
	if err.Code != notFound || err.Problem.Detail != "" {
		return err
	}
	name := r.Name
	if set := assignment.FindStringSubmatch(name); set != nil {
		// Without the value: it may be a secret, and a message may be kept.
		err.Problem.Summary = "cannot run " + set[1] + "=...: it sets a variable, and is no command"
		return err.try("put --env %s=... before the --", set[1])
	}
	switch {
	case slices.Contains(shellWords, name):
		return err.try("%s is a word of the shell's own: sh -c '%s ...'", name, name)
	case strings.HasPrefix(name, "-"):
		return err.try("nono's own flags stand before the --, and the command behind it")
	case strings.ContainsAny(name, " \t\n"):
		if strings.ContainsAny(name, "|&;<>()$`\"'*") {
			return err.try("it is one word; for a line of the shell type: sh -c %s", diag.Word(name))
		}
		return err.try("it is one word; without the quotes it is a command: %s", name)
	case !strings.Contains(name, "/"):
		file := path.Join(r.Dir, name)
		if found, missing := r.host.stat(file); missing == nil && found.Type == policy.Regular {
			return err.try("it is here: %s", diag.Word("./"+name))
		}
	}
	return err
}
