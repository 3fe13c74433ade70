//go:build darwin

package keyring

import (
	"context"
	"errors"
	"fmt"

	keychain "github.com/zalando/go-keyring"

	"github.com/nono-run/nono/sdk/lazyregexp"
)

// Get reads a key.
func (r Ring) Get(ctx context.Context, name string) ([]byte, error) {
	key, err := within(ctx, name, func() (string, error) { return keychain.Get(r.attribute(), name) })
	if err != nil {
		return nil, err
	}
	return []byte(key), nil
}

// List says that the keychain's names are not listed: the library cannot, and what the system
// prints of a keychain is made for people.
func (r Ring) List(context.Context) ([]string, error) {
	return nil, &Unavailable{"nono cannot list the keychain: the application Keychain Access shows " +
		"its keys, as the items named " + r.attribute()}
}

// Set stores a key, in the place of one of this name, and sees that it is there: the system's
// command that the library speaks to reads its orders from a pipe, and may end well when one of
// them failed.
func (r Ring) Set(ctx context.Context, name string, key []byte) error {
	kept, err := within(ctx, name, func() (string, error) {
		if err := keychain.Set(r.attribute(), name, string(key)); err != nil {
			return "", err
		}
		return keychain.Get(r.attribute(), name)
	})
	switch {
	case errors.Is(err, ErrNotFound), err == nil && kept != string(key):
		return &Unavailable{"the keychain did not store the key"}
	case err != nil:
		return err
	}
	return nil
}

// Remove removes a key.
func (r Ring) Remove(ctx context.Context, name string) error {
	_, err := within(ctx, name, func() (string, error) {
		return "", keychain.Delete(r.attribute(), name)
	})
	return err
}

// plain are the names that the library hands on as they are, without quotes. It writes them into a
// line of orders, where a line break would begin another order.
var plain = lazyregexp.New(`^[A-Za-z0-9_@%+=:,./-]+$`)

// within does something with the key of this name, and waits until the context ends. The library
// knows no deadline: what it waits for then goes on, for as long as the system's window is open.
func within(
	ctx context.Context, name string, do func() (string, error),
) (string, error) {
	if !plain.MatchString(name) {
		return "", fmt.Errorf("the keychain's keys have names of letters, digits and @%%+=:,./_-, "+
			"which %q is not", name)
	}
	type answer struct {
		key string
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		key, err := do()
		answered <- answer{key, err}
	}()
	select {
	case a := <-answered:
		return a.key, told(a.err)
	case <-ctx.Done():
		return "", &Unavailable{"the keychain did not answer in time: it may be locked, and ask in a " +
			"window"}
	}
}

// told is the library's error in this package's terms.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keychain.ErrNotFound):
		return ErrNotFound
	case errors.Is(err, keychain.ErrSetDataTooBig):
		return &Unavailable{"the keychain takes no key of this length"}
	}
	return &Unavailable{fmt.Sprintf("the keychain does not answer: %v", err)}
}
