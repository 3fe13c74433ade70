// The command nono-trust-roots says who signed a bundle that has a certificate, by the roots that
// the user trusts. The trust layer starts it, and asks it on its standard input; see package roots.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/nono-run/nono/plugins/trust/roots"
	"github.com/nono-run/nono/plugins/trust/roots/certify"
	"github.com/nono-run/nono/sdk/confine"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "nono-trust-roots:", err)
		os.Exit(1)
	}
}

// run gives up all files first: what it reads then was written by a stranger.
func run() error {
	if _, err := confine.Self(); err != nil && !errors.Is(err, confine.ErrUnsupported) {
		return fmt.Errorf("giving up what it does not need: %w", err)
	}
	return roots.Serve(os.Stdin, os.Stdout, certify.Verify)
}
