package attacker

import (
	"strconv"
	"strings"
	"syscall"
)

// int80 makes a system call of the 32-bit table.
func int80(number, a, b, c uint32) int32

// int80Try makes one: NUMBER,A,B,C.
func int80Try(v string) string {
	var n [4]uint32
	for i, s := range strings.SplitN(v, ",", len(n)) {
		u, _ := strconv.ParseUint(s, 0, 32)
		n[i] = uint32(u)
	}
	if r := int80(n[0], n[1], n[2], n[3]); r < 0 {
		return outcome(syscall.Errno(-r))
	}
	return "ok"
}
