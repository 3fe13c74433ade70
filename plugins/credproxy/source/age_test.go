package source

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/policy"
)

func secret(text string) sdk.Secret { return sdk.NewSecret([]byte(text)) }

// answers is somebody who gives these, one after another, and notes what he was asked.
type answers struct {
	mu    sync.Mutex
	left  []string
	asked []string
}

func (a *answers) Ask(_ context.Context, question string) (sdk.Secret, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, question)
	if len(a.left) == 0 {
		return sdk.Secret{}, sdk.ErrNobody
	}
	next := a.left[0]
	a.left = a.left[1:]
	return secret(next), nil
}

// quickly encrypts with a passphrase that takes little to try.
func quickly(t *testing.T, key string) []byte {
	t.Helper()
	to, err := age.NewScryptRecipient("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(8)
	var sealed bytes.Buffer
	in, err := age.Encrypt(&sealed, to)
	if err == nil {
		_, err = in.Write([]byte(key))
	}
	if err == nil {
		err = in.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

func TestAge(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := &Reader{UID: os.Getuid(), Variables: map[string]string{"KEY": "sk-env"}}
	of := func(file string, identity ...string) policy.KeySource {
		return policy.KeySource{Type: policy.AgeSource, Name: file, Args: identity}
	}
	phrased := quickly(t, "sk-phrase")
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := put("identity", []byte("# created by age-keygen\n"+own.String()+"\n"), 0o600)
	sealed, err := agefile.Seal(secret("sk-identity"), identity, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		sources []policy.KeySource
		answers []string
		dry     bool
		want    string
		err     string
		absent  string // what is told of the first source
		asked   int
	}{
		"by an identity":                  {sources: []policy.KeySource{of(put("a", sealed, 0o644), identity)}, want: "sk-identity"},
		"by another identity":             {sources: []policy.KeySource{of(put("a", sealed, 0o644), put("other", []byte(other.String()), 0o600)), env("KEY")}, err: "cannot be decrypted"},
		"an identity that others read":    {sources: []policy.KeySource{of(put("a", sealed, 0o600), put("open", []byte(own.String()), 0o640)), env("KEY")}, err: "chmod 600"},
		"a file of no identity":           {sources: []policy.KeySource{of(put("a", sealed, 0o600), put("none", []byte("AGE-SECRET-KEY-1 canary"), 0o600)), env("KEY")}, err: "no file of identities"},
		"no identity is named":            {sources: []policy.KeySource{of(put("a", sealed, 0o600)), env("KEY")}, err: `identity = "PATH"`},
		"by a passphrase":                 {sources: []policy.KeySource{of(put("p", phrased, 0o600))}, answers: []string{"correct horse"}, want: "sk-phrase", asked: 1},
		"mistyped, and empty":             {sources: []policy.KeySource{of(put("p", phrased, 0o600))}, answers: []string{"x", "", "correct horse"}, want: "sk-phrase", asked: 3},
		"never right":                     {sources: []policy.KeySource{of(put("p", phrased, 0o600)), env("KEY")}, answers: []string{"", "", "", "correct horse"}, err: "none of 3 passphrases", asked: 3},
		"nobody is there":                 {sources: []policy.KeySource{of(put("p", phrased, 0o600)), env("KEY")}, want: "sk-env", asked: 1},
		"nobody is there, and no other":   {sources: []policy.KeySource{of(put("p", phrased, 0o600))}, absent: "nobody can be asked for its passphrase", asked: 1},
		"in a plan nobody is asked":       {sources: []policy.KeySource{of(put("p", phrased, 0o600))}, dry: true, want: "unknown"},
		"and what is not there is absent": {sources: []policy.KeySource{of(filepath.Join(dir, "nowhere"))}, dry: true, absent: "there is no such file"},
		"there is no file":                {sources: []policy.KeySource{of(filepath.Join(dir, "nowhere")), env("KEY")}, want: "sk-env"},
		"others could write it":           {sources: []policy.KeySource{of(put("w", phrased, 0o622)), env("KEY")}, err: "put another key there"},
		"no encrypted file":               {sources: []policy.KeySource{of(put("t", []byte("sk-1"), 0o600)), env("KEY")}, err: "cannot be decrypted"},
		"one that was cut":                {sources: []policy.KeySource{of(put("c", sealed[:len(sealed)-3], 0o600), identity), env("KEY")}, err: "cannot be decrypted"},
		"one that is too long":            {sources: []policy.KeySource{of(put("l", append([]byte(nil), make([]byte, 2*longest+1)...), 0o600)), env("KEY")}, err: "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			who := &answers{left: test.answers}
			r := *r
			r.DryRun, r.Passphrases = test.dry, &agefile.Passphrases{Ask: who.Ask}
			key, _, err := r.Find(t.Context(), test.sources)
			var absent *Absent
			switch {
			case test.want != "":
				if err != nil || string(key.Reveal()) != test.want {
					t.Errorf("got %q, %v", key.Reveal(), err)
				}
			case test.err != "":
				if err == nil || errors.As(err, &absent) || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "canary") {
					t.Errorf("got %v, want %q", err, test.err)
				}
			case !errors.As(err, &absent) || absent.Tried[0].Why != test.absent:
				t.Errorf("got %v, want %q", err, test.absent)
			}
			if len(who.asked) != test.asked {
				t.Errorf("asked was %q", who.asked)
			}
		})
	}
}

// One passphrase opens the files of several services, and is asked for once.
func TestOnePassphrase(t *testing.T) {
	dir := t.TempDir()
	who := &answers{left: []string{"correct horse"}}
	r := &Reader{UID: os.Getuid(), Passphrases: &agefile.Passphrases{Ask: who.Ask}}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		sealed := quickly(t, "sk-"+name)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, sealed, 0o600); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			key, _, err := r.Find(t.Context(), []policy.KeySource{{Type: policy.AgeSource, Name: path}})
			if err != nil || string(key.Reveal()) != "sk-"+name {
				t.Errorf("got %q, %v", key.Reveal(), err)
			}
		})
	}
	wg.Wait()
	if len(who.asked) != 1 || !strings.Contains(who.asked[0], "the passphrase of "+dir) {
		t.Errorf("asked was %q", who.asked)
	}
}
