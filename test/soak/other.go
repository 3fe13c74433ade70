//go:build !linux

package main

import "fmt"

func main() { fmt.Println("soak: nono runs on Linux only") }
