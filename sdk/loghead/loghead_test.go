package loghead_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/loghead"
)

func TestMaySign(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "default.pem": false, "default.age": false, "ada.keyring": false,
		"default.keyring": true, "default.identity": true,
	} {
		dir := t.TempDir()
		if name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := loghead.MaySign(dir); got != want {
			t.Errorf("with %q: %v", name, got)
		}
	}
	if loghead.MaySign(filepath.Join(t.TempDir(), "missing")) {
		t.Error("without a directory it may")
	}
}

func TestRead(t *testing.T) {
	var head loghead.Head
	if err := loghead.Read(strings.NewReader(`{"session":"x","events":3}`), &head); err != nil || head.Events != 3 {
		t.Errorf("%+v, %v", head, err)
	}
	for _, text := range []string{"", "{", `{"events":-1}`} {
		if err := loghead.Read(strings.NewReader(text), &head); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
