package session

import (
	"context"
	"errors"
	"sync"

	"github.com/nono-run/nono/core/diag"
)

// atOnce calls all functions at the same time and returns the first error that is a reason of its
// own, when all have returned.
func atOnce(fs []func() error) error {
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	var problems diag.Problems
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			problems = append(problems, asProblems(err)...)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return errors.Join(errs...)
}
