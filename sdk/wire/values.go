package wire

import (
	"errors"
	"fmt"
	"math"
	"time"
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
