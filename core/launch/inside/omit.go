//go:build linux && !nono_omit

package inside

// omitted is where a build for the attack tests leaves a step out, to show that the attack works
// without it. Here it never does, and the compiler drops the question.
func omitted(string) bool { return false }
