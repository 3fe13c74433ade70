package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
)

// units are what a size may end in.
var units = []struct {
	name string
	size int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

// size is the bytes that a text stands for, or reports that it stands for none.
func (r *report) size(it language.Item) (int64, bool) {
	for _, u := range units {
		number, ok := strings.CutSuffix(it.Text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
		if err == nil && int64(n) <= math.MaxInt64/u.size {
			return int64(n) * u.size, true
		}
		break
	}
	r.add(diag.Errorf("%s is not a size", quote(it.Text)).At(it.Source).
		Try(`write a whole number and B, KiB, MiB, GiB or TiB, as in "200MiB"`))
	return 0, false
}
