package wire

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/nono-run/nono/sdk/layerpb"
)

// Digest is a SHA-256 from the wire.
func Digest(b []byte) (sum [32]byte, err error) {
	if len(b) != len(sum) {
		return sum, fmt.Errorf("a SHA-256 has %d bytes, not %d", len(sum), len(b))
	}
	copy(sum[:], b)
	return sum, nil
}

// Unsigned is a number that is never negative, for the wire.
func Unsigned(n int) (uint32, error) {
	if n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("the impossible number %d", n)
	}
	return uint32(n), nil
}

// State tells an empty state from none: Finish may need to know that Start returned.
func State(has bool, state []byte) ([]byte, error) {
	switch {
	case !has && len(state) > 0:
		return nil, errors.New("there is a state, and has_state says that there is none")
	case has && state == nil:
		return []byte{}, nil
	}
	return state, nil
}

// EncodeStrings are strings that need not be text, for the wire.
func EncodeStrings(in []string) [][]byte {
	out := make([][]byte, len(in))
	for i, s := range in {
		out[i] = []byte(s)
	}
	return out
}

// DecodeStrings are strings that need not be text, from the wire.
func DecodeStrings(in [][]byte) []string {
	var out []string
	for _, b := range in {
		out = append(out, string(b))
	}
	return out
}

// EncodeVariables are variables with their values, sorted.
func EncodeVariables(in map[string]string) []*layerpb.Variable {
	var out []*layerpb.Variable
	for _, name := range slices.Sorted(maps.Keys(in)) {
		out = append(out, &layerpb.Variable{Name: []byte(name), Value: []byte(in[name])})
	}
	return out
}

// DecodeVariables are variables with their values.
func DecodeVariables(in []*layerpb.Variable) map[string]string {
	out := make(map[string]string, len(in))
	for _, v := range in {
		out[string(v.GetName())] = string(v.GetValue())
	}
	return out
}

// EncodeTime is a time for the wire; the zero time is 0.
func EncodeTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// DecodeTime is a time from the wire; 0 is the zero time.
func DecodeTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
