//go:build !linux

// Package hosts is about Linux.
package hosts

// Arrange does nothing where there are no such hosts to be made.
func Arrange() {}
