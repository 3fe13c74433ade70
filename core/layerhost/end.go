package layerhost

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/nono-run/nono/sdk/host"
)

// Lost is closed when the layer is gone, or hangs, without having been ended.
func (l *Layer) Lost() <-chan struct{} { return l.lost }

// Err says why, once the layer is lost.
func (l *Layer) Err() error {
	if f := l.found(); f != nil {
		return f
	}
	return nil
}

// watch notices the process's end.
func (l *Layer) watch() {
	<-l.process.exited
	l.lose("", errors.New("it is gone"))
}

// watchStream notices the end of the session.
func (l *Layer) watchStream(s *host.Stream) {
	<-s.Done()
	l.lose("", s.Err())
}

// lose records that the layer is lost, once, unless that was meant.
func (l *Layer) lose(callName string, err error) {
	failure := l.explain(callName, err)
	l.mu.Lock()
	meant := l.ending
	if !meant && l.failure == nil {
		l.failure = failure
		close(l.lost)
	}
	l.mu.Unlock()
	// One that hangs, or that has closed its session, is of no further use, and may still do harm.
	l.kill()
}

// Release ends the layer and does not wait for it.
func (l *Layer) Release() {
	l.letGo()
	go l.Close()
}

// Linger lets the layer do what it has left to do, nobody waiting for it, and ends it a moment
// after it says that it has, or after most, unless it is resumed. Its loss means nothing any more.
func (l *Layer) Linger(most, moment time.Duration) {
	l.mu.Lock()
	l.ending, l.lingers = true, true
	stream := l.stream
	l.mu.Unlock()
	go func() {
		select {
		case <-stream.Rested():
			select {
			case <-stream.Done():
			case <-l.process.exited:
			case <-time.After(moment):
			}
		case <-stream.Done():
		case <-l.process.exited:
		case <-time.After(most):
		}
		l.mu.Lock()
		resumed := l.resumed
		l.lingers = false
		l.mu.Unlock()
		if !resumed {
			l.Close()
		}
	}()
}

// Resume reports whether the layer lingers, with something left to do or not. Then it can be called
// again, and is ended by Close alone.
func (l *Layer) Resume() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumed = l.resumed || l.lingers
	return l.resumed
}

// Close ends the layer and returns when nothing of it is left. It may be called more than once.
func (l *Layer) Close() {
	l.letGo()
	l.ended.Do(func() {
		if l.process != nil {
			l.process.stop()
		}
		// With the process gone this only ends go-plugin's goroutines and the connection.
		l.plugin.Kill()
		if l.process != nil {
			if err := os.RemoveAll(l.process.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.logger.Warn("removing the layer's directory", "error", err)
			}
		}
	})
}

// letGo says that the end is meant, and tells the layer.
func (l *Layer) letGo() {
	l.mu.Lock()
	l.ending = true
	p := l.process
	l.mu.Unlock()
	if p != nil {
		p.end()
	}
}

// Kill ends the process at once, in the middle of whatever it is doing. It was meant: the layer
// does not count as lost.
func (l *Layer) Kill() {
	l.letGo()
	l.kill()
}

// kill ends the process at once.
func (l *Layer) kill() {
	l.mu.Lock()
	p := l.process
	l.ending = l.ending || p == nil
	l.mu.Unlock()
	if p != nil {
		p.kill()
	}
}

// Clung reports, after Close, that the layer did not end with its lifeline and had to be killed.
func (l *Layer) Clung() bool { return l.process != nil && l.process.clung }
