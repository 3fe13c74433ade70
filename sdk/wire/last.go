package wire

import "sync"

// Last remembers what was translated last, for something that is told again and again and does not
// change in between. Both sides of it are shared from then on, and not to be changed; any number of
// goroutines may ask.
type Last[From, To any] struct {
	mu    sync.Mutex
	known bool
	from  From
	to    To
}

// Of is the translation of what is given, made anew only if that is not the same as last time. An
// error is translate's, and not remembered.
func (l *Last[From, To]) Of(
	from From, same func(a, b From) bool, translate func(From) (To, error),
) (To, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known && same(l.from, from) {
		return l.to, nil
	}
	to, err := translate(from)
	l.known, l.from, l.to = err == nil, from, to
	return to, err
}
