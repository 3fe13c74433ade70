package remembered

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// linkAt is an answer whose only step is a link, in the encoding of the contract's messages.
func linkAt(path string) []byte {
	link := string(text(1, path)) + string(text(2, "b"))
	step := string(text(4, link))
	return text(1, step)
}

// kept is a memory with one answer in it, whose only step is a link.
func kept(t *testing.T) (Memory, Place, Digest) {
	t.Helper()
	m := Memory{filepath.Join(t.TempDir(), "remembered")}
	at := Place{Layer: "test/said", Situation: sha256.Sum256([]byte("here"))}
	request := sha256.Sum256([]byte("what is asked"))
	if err := m.Keep(at, described, request, honest().encode(), linkAt("/a")); err != nil {
		t.Fatal(err)
	}
	return m, at, request
}

func TestAnswer(t *testing.T) {
	m, at, request := kept(t)
	if !m.Has(at) || m.Has(Place{Layer: at.Layer}) {
		t.Error("it is known by something else than its place")
	}
	a, err := m.Answer(at, described)
	if err != nil {
		t.Fatal(err)
	}
	share, err := a.To(request)
	if err != nil || len(share.Fragment.Steps) != 1 || a.Description.Name != "test/said" {
		t.Errorf("got %+v, %v", share, err)
	}
	if _, err := a.To(sha256.Sum256(nil)); err == nil {
		t.Error("it answers what it was not asked")
	}
	another := described
	another.CTime++
	if _, err := m.Answer(at, another); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("of another program: %v", err)
	}
	// The file of one layer, in the place of another's.
	other := Place{Layer: "test/other", Situation: at.Situation}
	if err := os.Rename(m.answer(at), m.answer(other)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Answer(other, described); err == nil || !strings.Contains(err.Error(), "about layer") {
		t.Errorf("of another layer: %v", err)
	}
}

// TestAnswerIsChecked: with a right sum it is held to the contract as one of the layer's, and with
// a wrong one it is not looked at.
func TestAnswerIsChecked(t *testing.T) {
	m, at, request := kept(t)
	if err := m.Keep(at, described, request, honest().encode(), linkAt("../a")); err != nil {
		t.Fatal(err)
	}
	a, err := m.Answer(at, described)
	if err != nil {
		t.Fatal(err)
	}
	if share, err := a.To(request); err == nil || share != nil {
		t.Errorf("a path that leads upwards was believed: %+v", share)
	}
	text, err := os.ReadFile(m.answer(at))
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(text), `"Planned":"`, `"Planned":"AAAA`, 1)
	if err := os.WriteFile(m.answer(at), []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Answer(at, described); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged: %v", err)
	}
}

// The newest answers stay, and no more than the bound.
func TestAnswersAreBounded(t *testing.T) {
	m := Memory{filepath.Join(t.TempDir(), "remembered")}
	place := func(n int) Place { return Place{"test/said", Digest{byte(n), byte(n >> 8)}} }
	for n := range maxAnswers + 10 {
		if err := m.Keep(place(n), described, Digest{}, honest().encode(), nil); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(filepath.Join(m.dir, answers))
	if err != nil || len(files) != maxAnswers {
		t.Errorf("%d are kept, %v", len(files), err)
	}
	if !m.Has(place(maxAnswers + 9)) {
		t.Error("the newest was removed")
	}
}
