//go:build !amd64

package main

func int80Socket() string { return "this machine has no second table" }
