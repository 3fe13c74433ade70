package config

import (
	"testing"

	"github.com/nono-run/nono/core/config/language"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0B": 0, "512B": 512, "1KiB": 1024, "20MiB": 20 << 20, "4 GiB": 4 << 30, "2TiB": 2 << 40,
		"8388607TiB": 8388607 << 40,
		"":           -1, "1": -1, "GiB": -1, "1.5GiB": -1, "-1GiB": -1, "+1GiB": -1, "1GB": -1, "1gib": -1,
		"8388608TiB": -1, "99999999999999999999B": -1, "0x10B": -1, "1_000B": -1,
	} {
		r := &report{}
		n, ok := r.size(language.Item{Text: text})
		if ok != (want >= 0) || ok && n != want || ok != (r.err() == nil) {
			t.Errorf("%q: %d, %t, %v", text, n, ok, r.err())
		}
	}
}
