package session

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
)

// Where the agent reads a verified file itself, one that was changed since ends the start.
func TestRecheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "GEMINI.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("as it was signed")
	sum := sha256.Sum256([]byte("as it was signed"))
	r := &run{
		host: sdk.Host{Tier: sdk.TierB, Home: "/home/ada"},
		verification: verification{
			verified: []plan.Verified{{Path: file, SHA256: hex.EncodeToString(sum[:])}},
		},
	}
	if err := r.recheck(); err != nil {
		t.Errorf("untouched: %v", err)
	}
	write("as it was not...")
	if err := r.recheck(); err == nil || !strings.Contains(err.Error(), "GEMINI.md was changed") {
		t.Errorf("changed in place: %v", err)
	}
	r.host.Tier = sdk.TierA // there nono-init has copied it
	if err := r.recheck(); err != nil {
		t.Errorf("in tier A: %v", err)
	}
	r.host.Tier = sdk.TierB
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := r.recheck(); err == nil {
		t.Error("a file that is gone is as it was verified")
	}
}
