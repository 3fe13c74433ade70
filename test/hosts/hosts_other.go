//go:build !linux

// Package hosts is about Linux.
package hosts
