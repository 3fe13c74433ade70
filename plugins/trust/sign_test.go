package trust

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/sdk"
)

// Of two commands that sign for the first time, the one that comes to make no key takes the other's.
func TestFirstKeyOfTwo(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	place := keys.Place{Where: keys.Age, Identity: filepath.Join(t.TempDir(), "identity")}
	if err := os.WriteFile(place.Identity, []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "nono", "trust")
	opened := func(ask func(context.Context, string) (sdk.Secret, error)) *keys.Ring {
		t.Helper()
		ring, err := keys.Open(dir, keys.Options{UID: os.Getuid(), Ask: ask})
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	var other keys.Own
	a := account{ring: opened(func(context.Context, string) (sdk.Secret, error) {
		// While the one is asked for a passphrase, the other is done.
		made, err := opened(nil).Generate(t.Context(), defaultKey, place)
		switch {
		case err == nil:
			other = made
		case !errors.Is(err, keys.ErrTaken): // it is asked for twice
			t.Error(err)
		}
		return sdk.NewSecret([]byte("correct horse")), nil
	})}
	key, err := a.firstKey(t.Context(), defaultKey)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if other.ID == "" || key.Named().ID != other.ID {
		t.Errorf("it is %s, and the other made %s", key.Named().ID, other.ID)
	}
}
