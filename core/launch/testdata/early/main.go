//go:build linux && (amd64 || arm64)

// Command early asks at its first instructions whether it is in the foreground of the terminal on
// its standard input, as the fastest of programs would: it is linked with -E main.entry. It ends
// with 0 if it is, and with 1 if not.
package main

func main() { panic("it was not linked to begin at its entry") }
