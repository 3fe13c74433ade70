package launch

import (
	"os"
	"sync"
	"time"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// Init is a running nono-init.
type Init struct {
	deadline time.Duration
	pipes    *plumbing
	lifeline *os.File // does not block
	process  *os.Process

	// answers are the replies that the protocol has one of at a time: at most one is unread, however
	// many messages carried it.
	answers chan answer
	// stopped has room for one, which is replaced.
	stopped chan recipe.Stopped
	// jobs is held while one is being done.
	jobs sync.Mutex
	done chan recipe.Job
	// silent is closed when nono-init can say nothing more. The next two are read after it, or after
	// ended.
	silent chan struct{}
	// failed is what nono-init said went wrong, which nobody need have asked.
	failed *recipe.Failed
	// flaw is why core ended a nono-init that it did not understand.
	flaw error
	// over is closed when nono-init has said that nothing but itself is left inside. exited is what
	// it said; it is read after over, or after ended.
	over   chan struct{}
	exited *recipe.Exited
	// ended is closed when nono-init, and so everything inside, is gone. state is then how.
	ended chan struct{}
	state *os.ProcessState

	// begun are the mounts that Begin has handed over, and beginning is what went wrong with that.
	begun     fragment.List
	beginning error

	mu     sync.Mutex
	ports  map[uint16]bool
	dials  map[uint64]chan answer
	dialed uint64
	closed bool
}

// PID is nono-init's number, as this process knows it.
func (i *Init) PID() int { return i.process.Pid }
