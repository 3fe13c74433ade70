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
