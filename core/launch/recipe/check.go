package recipe

import (
	"errors"
	"fmt"
	"path"

	"github.com/nono-run/nono/sdk/fragment"
)

// Check refuses a recipe that leaves something open that nono-init would have to guess. It runs inside nono-init, so that what core
// forgot is an error and never a weaker sandbox.
func (r *Recipe) Check() error {
	if len(r.Mounts) == 0 {
		return errors.New("the recipe has no root")
	}
	for i, s := range r.Mounts {
		m, ok := s.(fragment.Mount)
		if !ok {
			return fmt.Errorf("the recipe mounts a step of the kind %s", fragment.Name(s))
		}
		at := m.At()
		if at != path.Clean(at) || !path.IsAbs(at) {
			return fmt.Errorf("the recipe mounts at %q, which is not an absolute, clean path", at)
		}
		if (at == "/") != (i == 0) {
			return errors.New("the recipe's first mount, and only that, must be the root")
		}
	}
	switch {
	case len(r.Seccomp) == 0 || len(r.Seccomp)%8 != 0:
		return fmt.Errorf("the recipe's system-call filter has %d bytes, which is no filter", len(r.Seccomp))
	case len(r.Landlock) > 0 && r.LandlockABI < 1:
		return errors.New("the recipe has Landlock rules but no Landlock version to apply them with")
	case !path.IsAbs(r.Executable):
		return fmt.Errorf("the recipe's executable %q is not an absolute path", r.Executable)
	case len(r.Args) == 0:
		return errors.New("the recipe has no arguments, not even the program's name")
	case !path.IsAbs(r.Dir):
		return fmt.Errorf("the recipe's directory %q is not an absolute path", r.Dir)
	}
	return nil
}
