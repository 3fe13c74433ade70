package launch

import (
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/await"
)

// CutLifeline is core's death as nono-init sees it in the lifeline, without the signal of the
// parent's death.
func (i *Init) CutLifeline() error {
	return await.Write(i.lifeline, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) })
}

// NotSent is what is said of a request that the kernel has answered so.
func (i *Init) NotSent(err error) error { return i.unheard(preparing, err) }

// Ended waits for the end of nono-init.
func (i *Init) Ended() { <-i.ended }

// WithoutFence is a kernel whose Landlock has no scopes, to core, for as long as a test takes.
func WithoutFence(t interface{ Cleanup(func()) }) {
	useFence = false
	t.Cleanup(func() { useFence = true })
}
