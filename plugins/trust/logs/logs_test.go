package logs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/logs"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/sdk/loghead"
)

func newKey(t testing.TB) (*ecdsa.PrivateKey, keys.ID) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keys.IDOf(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

func hash(text string) string { return keys.Digest(sha256.Sum256([]byte(text))).String() }

// head is that of a log.
func head() loghead.Head {
	return loghead.Head{Session: "3k2m", Events: 7, Last: hash("the last line"), Plan: hash("the plan")}
}

func TestVerify(t *testing.T) {
	key, id := newKey(t)
	other, otherID := newKey(t)
	trusted := bundle.Verifier{Keys: map[keys.ID]*ecdsa.PublicKey{id: &key.PublicKey}}
	signed, err := logs.Sign(head(), key)
	if err != nil {
		t.Fatal(err)
	}
	byOther, err := logs.Sign(head(), other)
	if err != nil {
		t.Fatal(err)
	}
	ofFile, err := bundle.Sign(statement.Statement{Subjects: []statement.Subject{
		{Name: "events.jsonl", SHA256: sha256.Sum256([]byte("the last line"))},
	}}, key)
	if err != nil {
		t.Fatal(err)
	}
	planless := head()
	planless.Plan = ""
	signedPlanless, err := logs.Sign(planless, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		bundle []byte
		change func(*loghead.Head)
		trust  func(*bundle.Verifier)
		want   error // nil: it is good
	}{
		"as it was":              {},
		"cut":                    {change: func(h *loghead.Head) { h.Events--; h.Last = hash("the one before") }, want: logs.ErrCut},
		"more":                   {change: func(h *loghead.Head) { h.Events++; h.Last = hash("one more") }, want: logs.ErrMore},
		"another last line":      {change: func(h *loghead.Head) { h.Last = hash("another") }, want: logs.ErrChanged},
		"another plan":           {change: func(h *loghead.Head) { h.Plan = hash("another") }, want: logs.ErrChanged},
		"no plan":                {change: func(h *loghead.Head) { h.Plan = "" }, want: logs.ErrChanged},
		"an agent never started": {bundle: signedPlanless, change: func(h *loghead.Head) { h.Plan = "" }},
		"a plan where none was":  {bundle: signedPlanless, want: logs.ErrChanged},
		"another session":        {change: func(h *loghead.Head) { h.Session = "9z9z" }, want: logs.ErrSession},
		"another's key":          {bundle: byOther, want: bundle.ErrUnknownKey},
		"another's key, trusted": {bundle: byOther, trust: func(v *bundle.Verifier) { v.Keys[otherID] = &other.PublicKey }},
		"a revoked key":          {trust: func(v *bundle.Verifier) { v.Revoked = map[keys.ID]bool{id: true} }, want: bundle.ErrRevokedKey},
		"a file's signature":     {bundle: ofFile, want: logs.ErrOther},
	} {
		t.Run(name, func(t *testing.T) {
			claim := loghead.Claim{Head: head(), Bundle: signed}
			if test.bundle != nil {
				claim.Bundle = test.bundle
			}
			if test.change != nil {
				test.change(&claim.Head)
			}
			v := bundle.Verifier{Keys: map[keys.ID]*ecdsa.PublicKey{id: &key.PublicKey}}
			if test.trust != nil {
				test.trust(&v)
			}
			got, err := logs.Verify(claim, v)
			switch {
			case !errors.Is(err, test.want):
				t.Errorf("got %v, want %v", err, test.want)
			case test.want == nil && got != id && got != otherID:
				t.Errorf("it is by %s", got)
			}
		})
	}
	// And a log's signature is none of a file.
	b, err := bundle.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Verify(trusted); !errors.Is(err, statement.ErrLog) {
		t.Errorf("as a file's: %v", err)
	}
}

func TestSignRefusesWhatIsNoHead(t *testing.T) {
	key, _ := newKey(t)
	for name, change := range map[string]func(*loghead.Head){
		"no session": func(h *loghead.Head) { h.Session = "" }, "no events": func(h *loghead.Head) { h.Events = 0 },
		"no hash":      func(h *loghead.Head) { h.Last = "" },
		"a short hash": func(h *loghead.Head) { h.Last = h.Last[1:] },
		"capitals":     func(h *loghead.Head) { h.Last = strings.ToUpper(h.Last) },
		"no plan":      func(h *loghead.Head) { h.Plan = "x" },
	} {
		h := head()
		change(&h)
		if _, err := logs.Sign(h, key); err == nil {
			t.Errorf("%s: it is signed", name)
		}
	}
}

// No change of a byte of a signature leaves it good, but for one in the name of the key: with one that
// names none here, each key is tried.
func TestNoEditVerifies(t *testing.T) {
	key, id := newKey(t)
	v := bundle.Verifier{Keys: map[keys.ID]*ecdsa.PublicKey{id: &key.PublicKey}}
	signed, err := logs.Sign(head(), key)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, signed); err != nil {
		t.Fatal(err)
	}
	signed = compact.Bytes()
	if _, err := logs.Verify(loghead.Claim{Head: head(), Bundle: signed}, v); err != nil { // the control
		t.Fatal(err)
	}
	hint := bytes.Index(signed, []byte(`"hint":"`)) + len(`"hint":"`)
	hintEnd := hint + bytes.IndexByte(signed[hint:], '"')
	for i := range signed {
		for _, flip := range []byte{1, 0x20, 0x80} {
			edited := bytes.Clone(signed)
			edited[i] ^= flip
			if _, err := logs.Verify(loghead.Claim{Head: head(), Bundle: edited}, v); err == nil && (i < hint || i >= hintEnd) {
				t.Errorf("byte %d: %q verifies", i, edited[max(0, i-20):min(len(edited), i+20)])
			}
		}
	}
}
