//go:build darwin

package keyring

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	keychain "github.com/zalando/go-keyring"
)

func TestKeychain(t *testing.T) {
	keychain.MockInit() // the user's own stays as it is
	var r Ring
	for _, key := range []string{"an older one", "sk-abc+/="} {
		if err := r.Set(t.Context(), "openai", []byte(key)); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(t.Context(), "openai"); err != nil || string(got) != key {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := r.Remove(t.Context(), "openai"); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(t.Context(), "openai"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key that was removed: %v", err)
	}
	if err := r.Remove(t.Context(), "openai"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
}

// A name cannot become an order to the system's command.
func TestKeychainNames(t *testing.T) {
	keychain.MockInit()
	for _, name := range []string{"", "a\ndelete-generic-password -s nono", "a'b", `a"b`, "a b", "ä"} {
		if err := (Ring{}).Set(t.Context(), name, []byte("sk")); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

func TestKeychainUnavailable(t *testing.T) {
	keychain.MockInitWithError(errors.New("exit status 36"))
	var r Ring
	_, got := r.Get(t.Context(), "openai")
	for doing, err := range map[string]error{
		"reading": got, "storing": r.Set(t.Context(), "openai", []byte("sk")),
		"removing": r.Remove(t.Context(), "openai"),
	} {
		var unavailable *Unavailable
		if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), "exit status 36") {
			t.Errorf("%s: %v", doing, err)
		}
	}
}

// A window that nobody answers is not waited for.
func TestKeychainDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	closed := make(chan struct{})
	defer close(closed)
	_, err := within(ctx, "openai", func() (string, error) {
		<-closed
		return "sk", nil
	})
	var unavailable *Unavailable
	if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v", err)
	}
}
