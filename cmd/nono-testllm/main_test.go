package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command finds the stand-in in the variables that the providers' clients read, its exit code is
// the program's, and keys that lie in the directory are kept.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	var before string
	for range 2 {
		code, err := run([]string{"-dir", dir, "--", "sh", "-c", `
			test -s "$SSL_CERT_FILE" && test -s "$NODE_EXTRA_CA_CERTS" || exit 1
			grep -q "upstream = \"$OPENAI_BASE_URL\"" "$NONO_TESTLLM_POLICY" || exit 2
			grep -q "upstream = \"$ANTHROPIC_BASE_URL\"" "$NONO_TESTLLM_POLICY" || exit 3
			test "$(cat "$1/openai.key")" = "$OPENAI_API_KEY" || exit 4
			test "$(cat "$1/anthropic.key")" = "$ANTHROPIC_API_KEY" || exit 5
			exit 42`, "sh", dir})
		if code != 42 || err != nil {
			t.Fatalf("exit code %d, %v", code, err)
		}
		key, err := os.ReadFile(filepath.Join(dir, "openai.key"))
		if err != nil || !strings.HasPrefix(string(key), "sk-test-") || before != "" && string(key) != before {
			t.Errorf("the key is %q and was %q: %v", key, before, err)
		}
		before = string(key)
		if info, err := os.Stat(filepath.Join(dir, "openai.key")); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for name, args := range map[string][]string{
		"a flag that it does not have": {"-nothing"},
		"a script that is not there":   {"-script", "/nonexistent"},
		"an address that is none":      {"-listen", "nowhere"},
		"a command that is not there":  {"--", "/nonexistent"},
	} {
		if code, _ := run(args); code == 0 {
			t.Errorf("%s: exit code 0", name)
		}
	}
	if code, err := run([]string{"-help"}); code != 0 || err != nil {
		t.Errorf("help: %d, %v", code, err)
	}
}
