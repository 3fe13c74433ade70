package wire

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
)

// The most of each thing that a layer may send. They are far above what an honest layer needs, and
// far below what would make core or the kernel work for seconds. What one step may hold is
// fragment's to say.
const (
	MaxSteps       = 32768 // for each of the mounts that a plan may have a bind and a Landlock rule
	MaxCoverage    = 16384
	MaxFacts       = 8192 // a verified file each, for each of the rules that a plan may have
	MaxDiagnostics = 1024
	MaxSecrets     = 1024
	MaxSubcommands = 64
	MaxFlags       = 64
	MaxSettings    = 256
	MaxLines       = 1024
	MaxFields      = 64       // of one event
	maxText        = 16 << 10 // of anything that is shown to the user
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

// Name checks what something is called.
func Name(s string) error { return fragment.CheckName(s) }

// Path checks a path inside or outside.
func Path(s string) error { return fragment.CheckPath(s) }

// Variable checks the name of an environment variable.
func Variable(s string) error { return fragment.CheckVariable(s) }

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

// LayerName checks a layer's name: "landlock" for a built-in one, "vendor/name" for all others. It
// becomes part of a path.
func LayerName(s string) error {
	vendor, name, both := strings.Cut(s, "/")
	if !both {
		vendor, name = "v", s
	}
	for _, part := range []string{vendor, name} {
		foreign := func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }
		if part == "" || part[0] == '-' || len(part) > 64 || strings.IndexFunc(part, foreign) >= 0 {
			return fmt.Errorf(
				"%q is not a layer's name: NAME or VENDOR/NAME of small letters, digits and -", s,
			)
		}
	}
	return nil
}
