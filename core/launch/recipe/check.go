package recipe

import (
	"errors"
	"fmt"
	"path"

	"github.com/nono-run/nono/sdk/fragment"
)

// Check refuses a recipe that leaves something open that nono-init would have to guess, or that is
// not for its tier. It runs inside nono-init, so that what core forgot is an error and never a
// weaker sandbox.
func (r *Recipe) Check(tier Tier) error {
	if err := r.checkSteps(); err != nil {
		return err
	}
	if err := r.checkTier(tier); err != nil {
		return err
	}
	switch {
	case len(r.Seccomp) == 0 || len(r.Seccomp)%8 != 0:
		return fmt.Errorf(
			"the recipe's system-call filter has %d bytes, which is no filter", len(r.Seccomp),
		)
	case len(r.Notify)%8 != 0:
		return fmt.Errorf(
			"the recipe's filter of notifications has %d bytes, which is no filter", len(r.Notify),
		)
	case len(r.Landlock) > 0 && r.LandlockABI < 1:
		return errors.New("the recipe has Landlock rules but no Landlock version to apply them with")
	case !path.IsAbs(r.Executable):
		return fmt.Errorf("the recipe's executable %q is not an absolute path", r.Executable)
	case len(r.Args) == 0:
		return errors.New("the recipe has no arguments, not even the program's name")
	case !path.IsAbs(r.Dir):
		return fmt.Errorf("the recipe's directory %q is not an absolute path", r.Dir)
	case r.Umask&^0o777 != 0:
		return fmt.Errorf("the recipe's umask %#o has bits that no umask has", r.Umask)
	}
	for n, s := range r.Streams {
		if err := s.check(); err != nil {
			return fmt.Errorf("the recipe's standard stream %d: %w", n, err)
		}
		if s.Kind == TerminalStream && !r.Terminal {
			return fmt.Errorf("the recipe's standard stream %d is a terminal, and there is none", n)
		}
	}
	return nil
}

// checkTier refuses what a tier has no way to do, and in tier B what it cannot be without.
func (r *Recipe) checkTier(tier Tier) error {
	switch tier {
	case TierA:
		if err := r.CheckMounts(); err != nil {
			return err
		}
		if len(r.BindTCP) > 0 {
			return errors.New("the recipe names ports of the host's, and the agent has a network of its own")
		}
	case TierB:
		switch {
		case len(r.Landlock) == 0:
			return errors.New("the recipe has no Landlock rules, and in tier B nothing else closes files")
		case len(r.Mounts) > 0:
			return fmt.Errorf("the recipe mounts %s, and in tier B nothing can be mounted",
				r.Mounts[0].(fragment.Mount).At())
		case len(r.Listeners) > 0 || len(r.Dial) > 0:
			return errors.New("the recipe has listeners or dialers, which core opens itself in tier B")
		case r.Processes > 0:
			return errors.New("the recipe limits the processes inside, " +
				"and in tier B the kernel counts all of the user's with them")
		}
	default:
		return fmt.Errorf("there is no tier %q", tier)
	}
	return nil
}

// CheckMounts refuses a recipe, of which the rest may still be missing, for its mounts.
func (r *Recipe) CheckMounts() error {
	if len(r.Mounts) == 0 {
		return errors.New("the recipe has no root")
	}
	for i, s := range r.Mounts {
		if err := checkStep(s); err != nil {
			return err
		}
		m, ok := s.(fragment.Mount)
		if !ok {
			return fmt.Errorf("the recipe mounts a step of the kind %s", fragment.Kind(s))
		}
		if (m.At() == "/") != (i == 0) {
			return errors.New("the recipe's first mount, and only that, must be the root")
		}
	}
	return nil
}

func (r *Recipe) checkSteps() error {
	for _, s := range r.Landlock {
		if err := checkStep(s); err != nil {
			return err
		}
	}
	for _, s := range r.Listeners {
		if err := checkStep(s); err != nil {
			return err
		}
	}
	return nil
}

// StepError is a step of a recipe that makes no sense.
type StepError struct {
	Step fragment.Step
	Err  error
}

// Error implements error.
func (e *StepError) Error() string {
	return fmt.Sprintf("the recipe's %s step: %v", fragment.Kind(e.Step), e.Err)
}

// Unwrap implements errors.Unwrap.
func (e *StepError) Unwrap() error { return e.Err }

func checkStep(s fragment.Step) error {
	if err := fragment.Check(s); err != nil {
		return &StepError{s, err}
	}
	return nil
}
