package session

import "syscall"

// systemSignals are those of [passing] that only Linux has: SIGPWR and the real-time signals, but
// for the first three, which Go leaves to C libraries.
func systemSignals() []syscall.Signal {
	list := []syscall.Signal{syscall.SIGPWR}
	for n := syscall.Signal(35); n <= 64; n++ {
		list = append(list, n)
	}
	return list
}
