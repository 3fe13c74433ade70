// Package await waits for processes and sockets by Go's poller.
//
// A goroutine in a blocking system call keeps one of Go's processors until the runtime's monitor
// takes it away, and that looks only every so often: up to ten milliseconds apart when little is
// going on. On a machine with two processors nobody then looks at the network, and a start stands
// still although everything that it waits for has come. So what core waits for while something else
// is to happen it waits for here.
package await

import "os"

// End returns when a process has ended, a child of this one. It does not reap it.
func End(p *os.Process) error { return end(p) }
