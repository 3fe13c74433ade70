package main

import "syscall"

// int80 makes a system call of the 32-bit table.
func int80(number, a, b, c uint32) int32

// int80Socket asks for a MPTCP socket where a filter that reads numbers only would see something
// else.
func int80Socket() string {
	const socket = 359
	r := int80(socket, 2, 1, 262)
	if r >= 0 {
		return "ok"
	}
	return outcome(syscall.Errno(-r))
}
