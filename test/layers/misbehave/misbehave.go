// Package misbehave makes a layer of the tests fail at the moment and in the way that a test asks for.
//
//	misbehave.At("plan", "hang-plan") // hangs
//	misbehave.At("plan", "die-start") // does nothing
//
// What is asked for comes from a setting of the layer's. Before there are settings, when it begins and when it describes itself, it comes
// from the environment: core gives a layer a clean one, so whoever wants that starts the layer through a script that sets the variable.
//
//	#!/bin/sh
//	LAYER_EARLY=die-describe exec /path/to/nono-layer-echo
package misbehave

import (
	"os"
	"syscall"
	"time"
)

// EarlyVariable is the variable that asks for a failure before there are settings.
const EarlyVariable = "LAYER_EARLY"

// Early is what that variable asks for.
func Early() string { return os.Getenv(EarlyVariable) }

// At fails if this is the moment: wish is "hang-MOMENT", "die-MOMENT" or "panic-MOMENT". Any other is left alone.
func At(moment, wish string) {
	switch wish {
	case "hang-" + moment:
		// All of the process, as a deadlock or a swapped-out machine would: the SDK answers no beat either.
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Hour)
	case "die-" + moment:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "panic-" + moment:
		// In a goroutine of its own, as a handler's would be.
		go panic("the layer was told to panic")
		time.Sleep(time.Hour)
	}
}

// All is every way of failing at these moments, for the list of what a setting may ask for.
func All(moments ...string) []string {
	var all []string
	for _, m := range moments {
		all = append(all, "hang-"+m, "die-"+m, "panic-"+m)
	}
	return all
}
