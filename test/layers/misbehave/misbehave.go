// Package misbehave makes a layer of the tests fail at the moment and in the way that a test asks
// for.
//
//	misbehave.At("plan", "hang-plan") // hangs
//	misbehave.At("plan", "die-start") // does nothing
//
// Some of it is not failing, and yet not what a layer should do: leave a process behind, print on
// stdout.
//
// What is asked for comes from a setting of the layer's. Before there are settings, when it begins
// and when it describes itself, it comes from the environment: core gives a layer a clean one, so
// whoever wants that starts the layer through a script that sets the variable.
//
//	#!/bin/sh
//	LAYER_EARLY=die-describe exec /path/to/nono-layer-echo
package misbehave

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// EarlyVariable is the variable that asks for a failure before there are settings.
const EarlyVariable = "LAYER_EARLY"

// Early is what that variable asks for.
func Early() string { return os.Getenv(EarlyVariable) }

// ways are all that a layer can be told to do at a moment.
var ways = []string{"hang", "die", "panic", "child", "print"}

// At misbehaves if this is the moment: wish is one of ways, a dash, and the moment. Any other is
// left alone.
func At(moment, wish string) {
	switch wish {
	case "hang-" + moment:
		// All of the process, as a deadlock or a swapped-out machine would: the SDK answers no beat
		// either.
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Hour)
	case "die-" + moment:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "panic-" + moment:
		// In a goroutine of its own, as a handler's would be.
		go panic("the layer was told to panic")
		time.Sleep(time.Hour)
	case "child-" + moment:
		// In a session of its own, so that it does not go with the layer's process group.
		child := exec.Command("/bin/sleep", "60")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	case "print-" + moment:
		fmt.Println("the layer was told to print this")
	}
}

// All is every way of misbehaving at these moments, for the list of what a setting may ask for.
func All(moments ...string) []string {
	var all []string
	for _, m := range moments {
		for _, way := range ways {
			all = append(all, way+"-"+m)
		}
	}
	return all
}
