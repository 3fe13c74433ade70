//go:build !linux

package main

import "errors"

func linger() error { return errors.New("lingering needs Linux") }
