//go:build !linux && !darwin

package keyring

import "context"

// none is what every call here comes to.
var none = &Unavailable{"nono reads no keyring on this system"}

// Get reads a key.
func (Ring) Get(context.Context, string) ([]byte, error) { return nil, none }

// List are the names of all keys.
func (Ring) List(context.Context) ([]string, error) { return nil, none }

// Set stores a key.
func (Ring) Set(context.Context, string, []byte) error { return none }

// Remove removes a key.
func (Ring) Remove(context.Context, string) error { return none }
