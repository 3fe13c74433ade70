package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/profile"
)

func TestHosts(t *testing.T) {
	h := profile.Hosts{Own: filepath.Join(t.TempDir(), "networks")}
	if p, err := h.Network("minimal"); err != nil || p.Origin != profile.BuiltIn ||
		p.File != "networks/minimal.hcl" || !strings.Contains(string(p.Text), `"llm"`) {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := h.Group("llm"); err != nil || !strings.Contains(string(p.Text), "api.openai.com") {
		t.Errorf("%+v, %v", p, err)
	}
	if err := os.Mkdir(h.Own, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"minimal.hcl": "own", "mine.hcl": "mine", "other.json": "", "x y.hcl": "",
	} {
		if err := os.WriteFile(filepath.Join(h.Own, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"minimal", "mine"} {
		p, err := h.Network(name)
		if err != nil || p.Origin != profile.Own || p.File != filepath.Join(h.Own, name+".hcl") {
			t.Errorf("%+v, %v", p, err)
		}
	}
	listed, err := h.Networks()
	if err != nil {
		t.Fatal(err)
	}
	own := profile.Listed{Name: "mine", Origin: profile.Own}
	replacing := profile.Listed{Name: "minimal", Origin: profile.Own, Replaces: true}
	if !slices.Contains(listed, own) || !slices.Contains(listed, replacing) {
		t.Errorf("listed are %+v", listed)
	}
	for _, l := range listed {
		if l.Name == "other" || l.Name == "x y" {
			t.Errorf("%s is listed, and cannot be found", l.Name)
		}
	}
}

func TestHostsRefuses(t *testing.T) {
	h := profile.Hosts{Own: t.TempDir()}
	for name, want := range map[string]string{
		"":        "cannot be the name of a network profile",
		"../llm":  "cannot be the name of a network profile",
		"minmal":  `did you mean "minimal"?`,
		"zzzzzzz": "there are: ",
	} {
		if p, err := h.Network(name); err == nil || !strings.Contains(told(err), want) {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
	for name, want := range map[string]string{
		"../networks/minimal": "cannot be the name of a group of hosts",
		"githb":               `did you mean "github"?`,
		"minimal":             "there are: ",
	} {
		if p, err := h.Group(name); err == nil || !strings.Contains(told(err), want) {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}

// told is an error with what to do about it.
func told(err error) string {
	var p diag.Problem
	if errors.As(err, &p) {
		return p.Summary + "\n" + p.Detail
	}
	return err.Error()
}
