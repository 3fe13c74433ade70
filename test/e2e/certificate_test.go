//go:build linux

package e2e

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/trust/roots/rootstest"
	"github.com/nono-run/nono/plugins/trust/statement"
)

// A file that was signed with a certificate counts where the user's configuration names a root that
// vouches for it, and who it is that he trusts.
func TestCertificates(t *testing.T) {
	world := rootstest.New(t)
	said := statement.Statement{Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: sha256.Sum256([]byte("be kind\n"))}}}
	payload, err := said.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-5 * time.Hour)
	leaf := world.Certificate(t, rootstest.Alice, rootstest.ValidFrom(before))
	stamped := string(world.Bundle(t, leaf, payload, rootstest.Stamped(before.Add(time.Minute))))
	bare := string(world.Bundle(t, leaf, payload))
	const alice, bob = "alice@example.com by https://accounts.example.com", "bob@example.com by https://accounts.example.com"
	config := func(signer string) string {
		return "trust {\n  unsigned = \"refuse\"\n  signers = [\"" + signer + "\"]\n  roots = [\"~/root.json\"]\n}\n"
	}
	for name, c := range map[string]struct {
		config, bundle, content string
		code                    int
		says                    []string
	}{
		"vouched for":     {config(alice), stamped, "be kind\n", 0, []string{"verified: CLAUDE.md", "alice@example.com"}},
		"without a root":  {"", stamped, "be kind\n", 1, []string{"no root is named"}},
		"another's":       {config(bob), stamped, "be kind\n", 1, []string{"alice@example.com", "not among the signers"}},
		"expired":         {config(alice), bare, "be kind\n", 1, []string{"nothing shows that it was signed in that time"}},
		"another content": {config(alice), stamped, "be evil\n", 1, []string{"was changed after alice@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			u.write("~/.config/nono/config.hcl", c.config)
			u.write("~/root.json", string(world.Root(t, false)))
			u.write("CLAUDE.md", c.content)
			u.write("CLAUDE.md.sigstore.json", c.bundle)
			r := u.nono("trust", "verify", "CLAUDE.md")
			if r.Code != c.code {
				t.Errorf("exit code %d, want %d: %s", r.Code, c.code, r)
			}
			for _, says := range c.says {
				if !strings.Contains(r.Stdout+r.Stderr, says) {
					t.Errorf("without %q: %s", says, r)
				}
			}
		})
	}
}
