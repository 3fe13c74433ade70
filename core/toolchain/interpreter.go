package toolchain

import (
	"path"
	"strings"
)

// needInterpreter grants what the first line of a script asks for. One level: an interpreter that
// is a script itself is not followed.
func (r *resolver) needInterpreter(program string) *Error {
	// The kernel reads as much. A program may be executable and not readable; then it is no script.
	head, _ := r.host.readable(program, 256)
	interpreter, viaEnv := parseFirstLine(string(head))
	if interpreter == "" {
		return nil
	}
	if !path.IsAbs(interpreter) {
		interpreter = path.Join(r.Dir, interpreter)
	}
	if err := r.check(interpreter); err != nil {
		return fail(notExecutable, "cannot run %s: its first line asks for %s: %s",
			program, interpreter, err.Problem.Summary)
	}
	if err := r.needNamed(program, interpreter, interpreter); err != nil {
		return err
	}
	if viaEnv == "" {
		return nil
	}
	file, failure := r.find(viaEnv)
	if failure != nil {
		failure.Problem.Summary = "cannot run " + program + ", whose first line asks for " + viaEnv +
			": " + failure.Problem.Summary
		return failure
	}
	return r.needNamed(program, viaEnv, file)
}

// parseFirstLine reads "#!/usr/bin/python3 -u" and "#!/usr/bin/env -S FOO=1 python3 -u": the
// interpreter, and for env the name that it looks up in PATH.
func parseFirstLine(head string) (interpreter, viaEnv string) {
	line, ok := strings.CutPrefix(head, "#!")
	if !ok {
		return "", ""
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", ""
	}
	if path.Base(words[0]) == "env" {
		for _, w := range words[1:] {
			w = strings.TrimPrefix(w, "-S") // also written together: -Spython3
			if w != "" && !strings.HasPrefix(w, "-") && !strings.Contains(w, "=") {
				return words[0], w
			}
		}
	}
	return words[0], ""
}
