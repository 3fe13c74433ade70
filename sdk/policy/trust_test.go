package policy_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
)

const (
	keyA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	keyB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// Whose signatures count: those that a line names, or, where none does, those by a trusted key; and
// none that is revoked.
func TestSignersThatCount(t *testing.T) {
	signer := func(text string) policy.TrustSigner {
		s, err := policy.ParseSigner(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ada := policy.Signed{Identity: "ada@example.com", Issuer: "https://accounts.example.com"}
	key := policy.Signed{Key: keyA, Name: "work"}
	tests := []struct {
		name    string
		signers []string
		revoked string
		by      policy.Signed
		want    bool
	}{
		{"any key that is trusted", nil, "", key, true},
		{"nobody whom a certificate names", nil, "", ada, false},
		{"the key by its id", []string{keyA}, "", key, true},
		{"the key by its name", []string{keyB, "work"}, "", key, true},
		{"another key", []string{keyB}, "", key, false},
		{"a key of another name", []string{"home"}, "", key, false},
		{"a revoked key", []string{keyA}, keyA, key, false},
		{"a revoked key where nobody is named", nil, keyA, key, false},
		{"another key is revoked", nil, keyB, key, true},
		{"an identity", []string{"ada@example.com by https://accounts.example.com"}, "", ada, true},
		{"an identity by another issuer", []string{"ada@example.com by https://evil.example"}, "", ada, false},
		{"another identity", []string{"bob@example.com by https://accounts.example.com"}, "", ada, false},
		{"a key where an identity is named", []string{"ada@example.com by https://accounts.example.com"}, "", key, false},
		{"an identity where a key is named", []string{"work"}, "", ada, false},
		{"nobody at all", nil, "", policy.Signed{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var is policy.Trust
			for _, s := range tt.signers {
				is.Signers = append(is.Signers, signer(s))
			}
			if tt.revoked != "" {
				is.Revoked = []policy.TrustRevoked{{SHA256: tt.revoked}}
			}
			if got, _ := is.Counts(tt.by); got != tt.want {
				t.Errorf("counts: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseSigner(t *testing.T) {
	for _, wrong := range []string{"", "ada@example.com", "https://x", " by ", "a by ", ".hidden", "a\x1bb", "../x"} {
		if got, err := policy.ParseSigner(wrong); err == nil {
			t.Errorf("%q is %+v", wrong, got)
		}
	}
	if got, err := policy.ParseSigner("sha256:" + strings.ToUpper(keyA)); err != nil || got.Key != keyA {
		t.Errorf("an id in capitals: %+v, %v", got, err)
	}
}

func TestCheckTrustPattern(t *testing.T) {
	for pattern, ok := range map[string]bool{
		"CLAUDE.md": true, ".claude/**": true, "/home/ada/proj/**/*.md": true, `a\[b`: true, "**": true,
		"": false, "/": false, "a//b": false, "../x": false, "./x": false, "a/..": false, "[": false, "a\x00b": false,
		strings.Repeat("a/", 64) + "a": false, strings.Repeat("a", 4097): false,
	} {
		if err := policy.CheckTrustPattern(pattern); (err == nil) != ok {
			t.Errorf("%.40q: %v", pattern, err)
		}
	}
}

// What nobody knows is stricter than what anybody does.
func TestIsStricter(t *testing.T) {
	order := []policy.Unsigned{policy.UnsignedAllow, policy.UnsignedWarn, policy.UnsignedRefuse, "", "x"}
	for i, a := range order[:4] {
		for j, b := range order[:4] {
			if a.IsStricter(b) != (i > j) {
				t.Errorf("%q is stricter than %q: %v", a, b, a.IsStricter(b))
			}
		}
	}
	if !order[4].IsStricter(policy.UnsignedRefuse) {
		t.Error("what nobody knows is mild")
	}
}
