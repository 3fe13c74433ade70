package agefile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/nono-run/nono/sdk"
)

func secret(text string) sdk.Secret { return sdk.NewSecret([]byte(text)) }

// put writes a file for its owner alone.
func put(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What SealBy writes its passphrase opens, and costs whoever guesses.
func TestSealBy(t *testing.T) {
	sealed, err := SealBy(secret("sk+/="), secret("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	file := File{Path: put(t, "key.age", string(sealed)), UID: os.Getuid()}
	phrases := &Passphrases{Ask: func(context.Context, string) (sdk.Secret, error) {
		return secret("correct horse"), nil
	}}
	if key, err := file.Open(t.Context(), phrases); err != nil || string(key) != "sk+/=" {
		t.Errorf("got %q, %v", key, err)
	}
	if _, err := file.Open(t.Context(), nil); !errors.Is(err, ErrUnasked) {
		t.Errorf("without anybody to ask: %v", err)
	}
	if !strings.Contains(string(sealed[:100]), " 18\n") {
		t.Errorf("it begins with %q", sealed[:100])
	}
	if _, err := SealBy(secret("sk"), secret("")); err == nil {
		t.Error("an empty passphrase is taken")
	}
}

// What Seal writes the identity opens, unasked, and no other.
func TestSeal(t *testing.T) {
	var paths []string
	for range 2 {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, put(t, "identity", identity.String()+"\n"))
	}
	sealed, err := Seal(secret("sk+/="), paths[0], os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	file := File{Path: put(t, "key.age", string(sealed)), Identity: paths[0], UID: os.Getuid()}
	if key, err := file.Open(t.Context(), nil); err != nil || string(key) != "sk+/=" {
		t.Errorf("got %q, %v", key, err)
	}
	file.Identity = paths[1]
	if _, err := file.Open(t.Context(), nil); err == nil {
		t.Error("another identity opens it")
	}
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	file.Identity = paths[0]
	if _, err := file.Open(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the identity: %v", err)
	}
}
