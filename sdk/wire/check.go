package wire

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/nono-run/nono/sdk/policy"
)

// The most of each thing that a layer may send. They are far above what an honest layer needs, and far below what would make core
// or the kernel work for seconds.
const (
	MaxSteps       = 4096
	MaxCoverage    = 16384
	MaxFacts       = 4096
	MaxDiagnostics = 1024
	MaxSecrets     = 1024
	MaxSettings    = 256
	MaxLines       = 1024
	MaxFields      = 64 // of one event
	maxParts       = 256
	maxConditions  = 256
	maxValues      = 1024
	maxSyscalls    = 1024
	maxPorts       = 1024
	maxTests       = 16
	maxPath        = 4095      // PATH_MAX, less its NUL
	maxName        = 256       // of listeners, secrets, variables
	maxText        = 16 << 10  // of anything that is shown to the user
	maxValue       = 128 << 10 // of one variable: the kernel's own limit
	maxFile        = 64 << 10
)

// Count reports that there are more than most of something.
func Count(what string, n, most int) error {
	if n > most {
		return fmt.Errorf("%d %s, at most %d are taken", n, what, most)
	}
	return nil
}

// Text checks something that is shown to the user, over several lines perhaps.
func Text(s string) error {
	switch {
	case len(s) > maxText:
		return fmt.Errorf("%d bytes, at most %d are taken", len(s), maxText)
	case strings.ContainsRune(s, 0):
		return errors.New("it holds a NUL")
	}
	return nil
}

// Name checks what something is called: not empty, one line, nothing that a terminal or a file would take for more than text.
func Name(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxName:
		return fmt.Errorf("%d bytes, at most %d are taken", len(s), maxName)
	case !utf8.ValidString(s) || policy.Printable(s) != s:
		return fmt.Errorf("%q holds a character that cannot be printed", s)
	}
	return nil
}

// ruleID checks a rule's id. A step that is there for no rule has none.
func ruleID(s string) (policy.RuleID, error) {
	if s == "" {
		return "", nil
	}
	return policy.RuleID(s), Name(s)
}

// Path checks a path inside or outside.
func Path(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxPath:
		return fmt.Errorf("%d bytes, at most %d are taken", len(s), maxPath)
	case strings.ContainsRune(s, 0):
		return errors.New("it holds a NUL")
	case s[0] != '/' || path.Clean(s) != s:
		return fmt.Errorf("%q is not absolute and clean", s)
	}
	return nil
}

// Variable checks the name of an environment variable. The kernel takes anything without "=" and NUL; control characters have no
// honest use and would upset a plan's print.
func Variable(s string) error {
	if err := Name(s); err != nil {
		return err
	}
	if strings.Contains(s, "=") {
		return fmt.Errorf("%q holds a =", s)
	}
	return nil
}

// syscallName reports whether s can be the name of a system call.
func syscallName(s string) bool {
	return word(s, func(r rune) bool { return r == '_' || 'a' <= r && r <= 'z' || digit(r) })
}

// errnoName reports whether s can be the name of an error number.
func errnoName(s string) bool {
	return strings.HasPrefix(s, "E") && word(s, func(r rune) bool { return 'A' <= r && r <= 'Z' || digit(r) })
}

func word(s string, in func(rune) bool) bool {
	return s != "" && len(s) <= 64 && !digit(rune(s[0])) && strings.IndexFunc(s, func(r rune) bool { return !in(r) }) < 0
}

func digit(r rune) bool { return '0' <= r && r <= '9' }

// field puts a field's name before what is wrong with it.
func field(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// At puts the place before what is wrong there.
func At(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// First is the first error of several checks.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func first(errs ...error) error { return First(errs...) }

// LayerName checks a layer's name: "landlock" for a built-in one, "vendor/name" for all others. It becomes part of a path.
func LayerName(s string) error {
	vendor, name, both := strings.Cut(s, "/")
	if !both {
		vendor, name = "v", s
	}
	for _, part := range []string{vendor, name} {
		ok := len(part) <= 64 && strings.IndexFunc(part, func(r rune) bool { return r != '-' && !digit(r) && (r < 'a' || r > 'z') }) < 0
		if part == "" || part[0] == '-' || !ok {
			return fmt.Errorf("%q is not a layer's name: NAME or VENDOR/NAME of small letters, digits and -", s)
		}
	}
	return nil
}
