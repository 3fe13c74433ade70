package launch

import "golang.org/x/sys/unix"

// CutLifeline is core's death as nono-init sees it in the lifeline, without the signal of the
// parent's death.
func (i *Init) CutLifeline() error { return unix.Shutdown(i.lifeline, unix.SHUT_RDWR) }
