package toolchain

import (
	"errors"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
)

// What was probably meant by a command that is not there: the whole message.
func TestMeant(t *testing.T) {
	host := tree("/usr/bin/ls", "/home/ada/proj/s.sh", "/home/ada/proj/a b: x", "/home/ada/proj/sub/")
	for name, want := range map[string]string{
		"s.sh":   "cannot find the command s.sh in PATH\n  it is here: ./s.sh\n",
		"a b":    "cannot find the command a b in PATH\n  it is one word; without the quotes it is a command: a b\n",
		"sub":    "cannot find the command sub in PATH\n",
		"nosuch": "cannot find the command nosuch in PATH\n",
		"ls -la": "cannot find the command ls -la in PATH\n" +
			"  it is one word; without the quotes it is a command: ls -la\n",
		"./s.sh -v": "cannot run /home/ada/proj/s.sh -v: there is no such file\n" +
			"  it is one word; without the quotes it is a command: ./s.sh -v\n",
		"ls | wc": "cannot find the command ls | wc in PATH\n" +
			"  it is one word; for a line of the shell type: sh -c 'ls | wc'\n",
		"KEY=hunter2": "cannot run KEY=...: it sets a variable, and is no command\n" +
			"  put --env KEY=... before the --\n",
		"P=/a/b": "cannot run P=...: it sets a variable, and is no command\n" +
			"  put --env P=... before the --\n",
		"cd": "cannot find the command cd in PATH\n  cd is a word of the shell's own: sh -c 'cd ...'\n",
		"export": "cannot find the command export in PATH\n" +
			"  export is a word of the shell's own: sh -c 'export ...'\n",
		"--allow-cwd": "cannot find the command --allow-cwd in PATH\n" +
			"  nono's own flags stand before the --, and the command behind it\n",
	} {
		_, err := Resolve(Request{
			Name: name, Dir: "/home/ada/proj", Home: "/home/ada", Policy: &policy.Policy{}, host: host,
			Lookup: func(name string) (string, bool) { return "/usr/bin", name == "PATH" },
		})
		var e *Error
		if !errors.As(err, &e) || e.Code != notFound || e.Problem.String() != "error: "+want {
			t.Errorf("%s: got %v\n%s", name, err, e.Problem.String())
		}
	}
}
