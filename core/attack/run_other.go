//go:build !linux

package attack

import (
	"context"
	"errors"
)

// Run is for Linux.
func Run(context.Context, Request) (*Report, error) {
	return nil, errors.New("the table of attacks is for Linux")
}
