package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
)

// ofTests are the digests of the tests' own layers, by name.
var ofTests = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, name := range []string{"echo", "binds", "rogue", "greedy", "keeper", "gate"} {
		all["test/"+name], _ = sha256Of(layers + "/nono-layer-" + name)
	}
	return all
})

func sha256Of(path string) (string, error) {
	content, err := os.ReadFile(path)
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), err
}

const lockFile = "~/.config/nono/plugins.lock.hcl"

// locks is a lock that holds the tests' own layers, and some programs more or instead.
func (u *user) locks(more map[string]string) {
	u.t.Helper()
	all := maps.Clone(ofTests())
	for name, path := range more {
		digest, err := sha256Of(u.path(path))
		if err != nil {
			u.t.Fatal(err)
		}
		all[name] = digest
	}
	text := "version = 1\n"
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text += fmt.Sprintf("plugin %q { sha256 = %q }\n", name, all[name])
	}
	u.write(lockFile, text)
	if err := os.Chmod(u.path("~/.config/nono"), 0o700); err != nil {
		u.t.Fatal(err)
	}
}

// locksNothing takes the lock away, and the directories that were made for it.
func (u *user) locksNothing() {
	u.t.Helper()
	if err := os.RemoveAll(u.path("~/.config")); err != nil {
		u.t.Fatal(err)
	}
}
