package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nono-run/nono/core/config"
)

// BenchmarkLoad is what every start pays before anything else: the built-in profile, parsed and
// looked up on this machine, with a small file and two flags.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "agent.hcl")
	if err := os.WriteFile(file, []byte("command = [\"true\"]\n\nfilesystem {\n  allow = [\".\"]\n}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		b.Fatal(err)
	}
	o := config.Options{
		File: file, Dir: dir, Home: home, ConfigDir: filepath.Join(home, ".config/nono"), TempDir: "/tmp", UID: os.Getuid(), Lookup: os.LookupEnv,
		Flags: []config.Flag{{Name: "allow-cwd"}, {Name: "read", Value: "/etc/hosts"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := config.Load(o); err != nil {
			b.Fatal(err)
		}
	}
}
