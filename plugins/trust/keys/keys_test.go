package keys_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/sdk"
)

// newDir is where a ring is to be, in a directory of the test's own.
func newDir(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "nono", "trust")
}

// identity is a file as age-keygen writes it.
func identity(t *testing.T) keys.Place {
	t.Helper()
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "identity")
	put(t, path, own.String()+"\n")
	return keys.Place{Where: keys.Age, Identity: path}
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, o keys.Options) *keys.Ring {
	t.Helper()
	o.UID = os.Geteuid()
	r, err := keys.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// always answers each question with the same.
func always(answer string) func(context.Context, string) (sdk.Secret, error) {
	return func(context.Context, string) (sdk.Secret, error) {
		return sdk.NewSecret([]byte(answer)), nil
	}
}

// works signs with a key, and verifies with what is trusted.
func works(t *testing.T, r *keys.Ring, name string) {
	t.Helper()
	key, err := r.Private(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	digest := sha256.Sum256([]byte("be kind"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	public, trusted := r.Keys()[key.Named().ID]
	if !trusted || !ecdsa.VerifyASN1(public, digest[:], signature) {
		t.Errorf("what %s signs does not verify", name)
	}
	key.Close()
	if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err == nil {
		t.Error("a key that was closed signs")
	}
}

func TestKeyInAFile(t *testing.T) {
	for name, test := range map[string]struct {
		place   keys.Place
		ask     func(context.Context, string) (sdk.Secret, error)
		unasked bool
	}{
		"with a passphrase": {keys.Place{Where: keys.Age}, always("correct horse"), false},
		"to an identity":    {identity(t), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDir(t)
			ring := open(t, dir, keys.Options{Ask: test.ask})
			made, err := ring.Generate(t.Context(), "mine", test.place)
			if err != nil {
				t.Fatal(err)
			}
			works(t, ring, "mine")
			again := open(t, dir, keys.Options{Ask: test.ask})
			works(t, again, "mine")
			if own := again.Own(); len(own) != 1 || own[0].ID != made.ID || own[0].Place != test.place {
				t.Errorf("own are %+v", own)
			}
			key, err := open(t, dir, keys.Options{}).Private(t.Context(), "mine")
			var unopened *keys.UnopenedError
			switch {
			case test.unasked && err != nil:
				t.Errorf("it does not open unasked: %v", err)
			case test.unasked:
				key.Close()
			case !errors.As(err, &unopened) || !strings.Contains(err.Error(), "nobody can be asked"):
				t.Errorf("it opens unasked: %v", err)
			}
			if test.unasked != test.place.OpensUnasked() {
				t.Error("the place says otherwise")
			}
			closed(t, dir)
		})
	}
}

// closed holds that all files of a ring are the user's alone, and none has a private key as it is.
func closed(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if e.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		if strings.HasPrefix(e.Name(), ".") || bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s is there:\n%s", path, text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := newDir(t)
	ring := open(t, dir, keys.Options{})
	place := identity(t)
	if _, err := ring.Generate(t.Context(), "mine", place); err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	if _, err := ring.Generate(t.Context(), "mine", place); !errors.Is(err, keys.ErrTaken) {
		t.Errorf("a second key of the name: %v", err)
	}
	if _, err := ring.Add(t.Context(), "mine", &other.PublicKey); !errors.Is(err, keys.ErrTaken) {
		t.Errorf("another's key of the name: %v", err)
	}
	if after := files(t, dir); !slices.Equal(before, after) {
		t.Errorf("there is %q and was %q", after, before)
	}
	works(t, ring, "mine")
	// Of a key of which the public half was lost the private one stays.
	if err := os.Remove(filepath.Join(dir, "mine.pem")); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, dir, keys.Options{}).Generate(t.Context(), "mine", place)
	half := filepath.Join(dir, "mine.age") + " " + filepath.Join(dir, "mine.identity")
	if !errors.Is(err, keys.ErrTaken) || !strings.Contains(err.Error(), "mine.pem is missing") ||
		!strings.HasSuffix(err.Error(), "rm "+half) {
		t.Errorf("over a private half: %v", err)
	}
}

// A process that was stopped while it changed the keys keeps nobody waiting for ever.
func TestKeysThatAreLocked(t *testing.T) {
	dir, place := newDir(t), identity(t)
	ring := open(t, dir, keys.Options{})
	if _, err := ring.Generate(t.Context(), "mine", place); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := ring.Generate(ctx, "more", place); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is locked: %v", err)
	}
	works(t, open(t, dir, keys.Options{}), "mine") // whoever only reads does not wait
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Generate(t.Context(), "more", place); err != nil {
		t.Error(err)
	}
}

// files are all files of a directory with what is in them.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+": "+string(text))
	}
	return all
}

// Of many that make a key of one name at once, one makes it.
func TestOneOfManyMakesTheKey(t *testing.T) {
	dir, place := newDir(t), identity(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var made []keys.ID
	for range 8 {
		ring := open(t, dir, keys.Options{})
		wg.Go(func() {
			own, err := ring.Generate(t.Context(), "mine", place)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made = append(made, own.ID)
			case !errors.Is(err, keys.ErrTaken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ring := open(t, dir, keys.Options{})
	if trusted := ring.Trusted(); len(made) != 1 || len(trusted) != 1 || trusted[0].ID != made[0] {
		t.Errorf("%d were made, %d are trusted", len(made), len(trusted))
	}
	works(t, ring, "mine")
}

func TestRevoke(t *testing.T) {
	dir, place := newDir(t), identity(t)
	ring := open(t, dir, keys.Options{})
	own, err := ring.Generate(t.Context(), "mine", place)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ring.Add(t.Context(), "theirs", &theirs.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Private(t.Context(), "theirs"); !errors.Is(err, keys.ErrForeign) {
		t.Errorf("another's private key: %v", err)
	}
	if len(ring.Keys()) != 2 { // the control
		t.Fatalf("trusted are %+v", ring.Trusted())
	}
	unknown := keys.ID(strings.Repeat("ab", 32))
	for _, id := range []keys.ID{own.ID, other.ID, unknown, own.ID} {
		if err := ring.RevokeKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	digest := keys.Digest(sha256.Sum256([]byte("be evil")))
	if err := ring.RevokeDigest(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*keys.Ring{ring, open(t, dir, keys.Options{})} {
		if len(r.Keys()) > 0 || len(r.Own()) > 0 {
			t.Errorf("trusted are %+v", r.Trusted())
		}
		if ids := r.Revoked().IDs(); !ids[own.ID] || !ids[other.ID] || !ids[unknown] || len(ids) != 3 {
			t.Errorf("revoked are %v", ids)
		}
		if r.NameOf(own.ID) != "mine" || r.NameOf(other.ID) != "theirs" || r.NameOf(unknown) != "" {
			t.Error("the names of revoked keys are not known")
		}
		if _, ok := r.Revoked().Digests[digest]; !ok || len(r.Revoked().Digests) != 1 {
			t.Errorf("revoked are %v", r.Revoked().Digests)
		}
		if _, err := r.Private(t.Context(), "mine"); !errors.Is(err, keys.ErrNone) {
			t.Errorf("the revoked key: %v", err)
		}
	}
	if _, err := ring.Add(t.Context(), "again", &theirs.PublicKey); !errors.Is(err, keys.ErrRevoked) {
		t.Errorf("a revoked key is trusted again: %v", err)
	}
	names := files(t, dir)
	if len(names) != 1 || !strings.HasPrefix(names[0], "revoked.json") {
		t.Errorf("there is %q", names)
	}
	if _, err := ring.Generate(t.Context(), "mine", place); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}

// Of a key that is written down both as trusted and as revoked, the worse is true.
func TestRevokedBeatsTrusted(t *testing.T) {
	dir := newDir(t)
	ring := open(t, dir, keys.Options{})
	own, err := ring.Generate(t.Context(), "mine", identity(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := own.PEM()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.RevokeKey(t.Context(), own.ID); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "mine.pem"), string(text))
	if ring := open(t, dir, keys.Options{}); len(ring.Keys()) > 0 || len(ring.Trusted()) > 0 {
		t.Errorf("trusted are %+v", ring.Trusted())
	}
	put(t, filepath.Join(dir, "revoked.json"), `{"version": 1}`) // the control
	if ring := open(t, dir, keys.Options{}); len(ring.Keys()) != 1 {
		t.Errorf("trusted are %+v", ring.Trusted())
	}
}

// What others could have written, and what cannot be read, is an error, and no key less.
func TestDirectoryThatCannotBeTrusted(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(dir string) error
		want  string // nothing is wrong if empty
	}{
		"as it is":            {func(string) error { return nil }, ""},
		"others may read":     {func(d string) error { return os.Chmod(d, 0o755) }, ""},
		"the group writes":    {func(d string) error { return os.Chmod(d, 0o770) }, "chmod 700"},
		"everybody writes":    {func(d string) error { return os.Chmod(d, 0o777) }, "others can write"},
		"and the one above":   {func(d string) error { return os.Chmod(filepath.Dir(d), 0o777) }, "others can write"},
		"a file others write": {func(d string) error { return os.Chmod(filepath.Join(d, "theirs.pem"), 0o666) }, "have another key trusted"},
		"a list others write": {func(d string) error {
			path := filepath.Join(d, "revoked.json")
			return errors.Join(os.WriteFile(path, []byte(`{"version":1}`), 0o600), os.Chmod(path, 0o666))
		}, "have a revoked key trusted"},
		"no key":           {func(d string) error { return os.WriteFile(filepath.Join(d, "x.pem"), []byte("x"), 0o600) }, "x.pem: it is no public key"},
		"a key of no name": {func(d string) error { return os.WriteFile(filepath.Join(d, "A\x1b.pem"), nil, 0o600) }, `A\x1b.pem: a key has a name`},
		"a directory":      {func(d string) error { return os.Mkdir(filepath.Join(d, "x.pem"), 0o700) }, "it is no file"},
		"a link":           {func(d string) error { return os.Symlink("theirs.pem", filepath.Join(d, "x.pem")) }, "x.pem: it is a link"},
		"a list of another form": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "revoked.json"), []byte(`{"version":2}`), 0o600)
		}, "version 2"},
		"a list with more": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "revoked.json"), []byte(`{"version":1,"only":[]}`), 0o600)
		}, "unknown field"},
		"a list that was cut": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "revoked.json"), []byte(`{"version":1,"keys":[`), 0o600)
		}, "cannot be read"},
		"two lists": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "revoked.json"), []byte(`{"version":1}{"version":1}`), 0o600)
		}, "more than one list"},
		"a list with no ID": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "revoked.json"), []byte(`{"version":1,"keys":[{"id":"AB"}]}`), 0o600)
		}, "no ID of a key"},
		"a long list": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "revoked.json"), bytes.Repeat([]byte(" "), 3<<20), 0o600)
		}, "longer than"},
		"an identity of no whole path": {func(d string) error {
			return errors.Join(os.WriteFile(filepath.Join(d, "theirs.age"), nil, 0o600),
				os.WriteFile(filepath.Join(d, "theirs.identity"), []byte("x"), 0o600))
		}, "no file by its whole path"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDir(t)
			ring := open(t, dir, keys.Options{})
			if _, err := ring.Add(t.Context(), "theirs", &key.PublicKey); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			got, err := keys.Open(dir, keys.Options{UID: os.Geteuid()})
			switch {
			case test.want == "" && (err != nil || len(got.Keys()) != 1):
				t.Errorf("got %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
			if test.want == "" {
				return
			}
			// And nothing is changed there either.
			if err := ring.RevokeDigest(t.Context(), keys.Digest{}); err == nil {
				t.Error("it is written to")
			}
		})
	}
	if os.Geteuid() == 0 {
		return
	}
	dir := newDir(t)
	if _, err := open(t, dir, keys.Options{}).Add(t.Context(), "theirs", &key.PublicKey); err != nil {
		t.Fatal(err)
	}
	_, err = keys.Open(dir, keys.Options{UID: os.Geteuid() + 1})
	if err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("another user's: %v", err)
	}
}

func TestParsePublic(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := func(typ string, key any) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	}
	secret, err := x509.MarshalPKCS8PrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	good := block("PUBLIC KEY", &p256.PublicKey)
	headed := strings.Replace(good, "KEY-----\n", "KEY-----\nComment: x\n\n", 1)
	for name, test := range map[string]struct{ text, want string }{
		"a key":             {good, ""},
		"with lines about":  {"\n" + good + "\n\n", ""},
		"nothing":           {"", "empty"},
		"text":              {"my key", "no public key in PEM"},
		"a key after text":  {"this is it:\n" + good, "no public key in PEM"},
		"a key before text": {good + "x", "more than one"},
		"two keys":          {good + good, "more than one"},
		"one with headers":  {headed, "more than one"},
		"a private key":     {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), "it is a private key"},
		"cosign's":          {"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "it is a private key"},
		"a certificate":     {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "it is a certificate"},
		"another block":     {block("EC KEY", &p256.PublicKey), `"EC KEY"`},
		"P-384":             {block("PUBLIC KEY", &p384.PublicKey), "ECDSA on P-384"},
		"Ed25519":           {block("PUBLIC KEY", ed), "ed25519"},
		"RSA":               {block("PUBLIC KEY", &rsaKey.PublicKey), "rsa"},
		"no key in it":      {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key that could be read"},
		"one that is long":  {strings.Repeat(good, 100), "longer"},
		"one with more in it": {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: append(func() []byte {
			der, _ := x509.MarshalPKIXPublicKey(&p256.PublicKey)
			return der
		}(), 0)})), "no public key that could be read"},
	} {
		key, err := keys.ParsePublic([]byte(test.text))
		switch {
		case test.want == "" && (err != nil || !key.Equal(&p256.PublicKey)):
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// What is read as a key is written as the same key.
func FuzzParsePublic(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	text, err := keys.Public{Key: &key.PublicKey}.PEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := keys.ParsePublic(text)
		if err != nil {
			return
		}
		again, err := keys.Public{Key: key}.PEM()
		if err != nil {
			t.Fatal(err)
		}
		if other, err := keys.ParsePublic(again); err != nil || !other.Equal(key) {
			t.Errorf("it is another key: %v", err)
		}
	})
}

func TestNames(t *testing.T) {
	ring := open(t, newDir(t), keys.Options{})
	place := identity(t)
	for _, name := range []string{
		"", ".", "..", "a/b", "../x", "-x", ".x", "A", "ä", "a b", "a\n", "a\x1b[31m", "x\x00",
		strings.Repeat("a", 64),
	} {
		if _, err := ring.Generate(t.Context(), name, place); !errors.Is(err, keys.ErrName) {
			t.Errorf("%q is a name: %v", name, err)
		}
		if _, err := ring.Private(t.Context(), name); !errors.Is(err, keys.ErrName) {
			t.Errorf("%q is a name: %v", name, err)
		}
		if _, err := ring.Add(t.Context(), name, nil); !errors.Is(err, keys.ErrName) {
			t.Errorf("%q is a name: %v", name, err)
		}
	}
	for _, name := range []string{"a", "default", "ada@example.com", "x.pem", "revoked", strings.Repeat("a", 63)} {
		if _, err := ring.Generate(t.Context(), name, place); err != nil {
			t.Errorf("%q is no name: %v", name, err)
		}
	}
	if own := ring.Own(); len(own) != 6 {
		t.Errorf("own are %+v", own)
	}
}

// However a private key is printed, alone or inside of something else, nothing of it is shown.
func TestPrivateKeysAreNotPrinted(t *testing.T) {
	dir := newDir(t)
	ring := open(t, dir, keys.Options{})
	if _, err := ring.Generate(t.Context(), "mine", identity(t)); err != nil {
		t.Fatal(err)
	}
	key, err := ring.Private(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	inside := struct{ Key *keys.Private }{key}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, what := range []any{key, inside, []any{key}} {
			if text := fmt.Sprintf(format, what); format != "%x" && !strings.Contains(text, "[redacted]") &&
				!strings.HasPrefix(text, "{0x") && !strings.Contains(text, "keys.Private)(0x") {
				t.Errorf("%s: %s", format, text)
			}
		}
	}
	text, err := json.Marshal(inside)
	if err != nil || string(text) != `{"Key":"[redacted]"}` {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

// A private half that is another key's is not used.
func TestHalvesThatDoNotFit(t *testing.T) {
	dir, place := newDir(t), identity(t)
	ring := open(t, dir, keys.Options{})
	for _, name := range []string{"one", "two"} {
		if _, err := ring.Generate(t.Context(), name, place); err != nil {
			t.Fatal(err)
		}
	}
	other, err := os.ReadFile(filepath.Join(dir, "two.age"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "one.age"), string(other))
	if _, err := ring.Private(t.Context(), "one"); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("got %v", err)
	}
	works(t, ring, "two") // the control
}

// Whoever has just chosen a passphrase is not asked for it.
func TestAPassphraseIsAskedForOnce(t *testing.T) {
	asked := 0
	ring := open(t, newDir(t), keys.Options{Ask: func(ctx context.Context, question string) (sdk.Secret, error) {
		asked++
		return always("correct horse")(ctx, question)
	}})
	if _, err := ring.Generate(t.Context(), "mine", keys.Place{Where: keys.Age}); err != nil {
		t.Fatal(err)
	}
	works(t, ring, "mine")
	if asked != 2 { // and once more
		t.Errorf("asked %d times", asked)
	}
}

// Whoever gives up at the passphrase has made nothing.
func TestGivingUpAtThePassphrase(t *testing.T) {
	dir := newDir(t)
	ctx, giveUp := context.WithCancel(t.Context())
	for name, ask := range map[string]func(context.Context, string) (sdk.Secret, error){
		"Ctrl-C": func(ctx context.Context, _ string) (sdk.Secret, error) {
			giveUp()
			return sdk.Secret{}, context.Cause(ctx)
		},
		"nobody":  func(context.Context, string) (sdk.Secret, error) { return sdk.Secret{}, sdk.ErrNobody },
		"nothing": always(""),
	} {
		_, err := open(t, dir, keys.Options{Ask: ask}).Generate(ctx, "mine", keys.Place{Where: keys.Age})
		if err == nil {
			t.Errorf("%s: a key was made", name)
		}
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("%s: there is %q", name, left)
		}
	}
}
