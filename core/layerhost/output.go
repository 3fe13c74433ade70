package layerhost

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// handshakeReader lets one line of a layer's stdout through, the first that is go-plugin's
// handshake. Whatever else a layer, or something that it calls, prints there is logged and does no
// harm.
type handshakeReader struct {
	io.Closer
	lines  *bufio.Reader
	logger hclog.Logger
	done   bool
	rest   []byte
}

func newHandshakeReader(r io.ReadCloser, logger hclog.Logger) *handshakeReader {
	return &handshakeReader{Closer: r, lines: bufio.NewReaderSize(r, 4096), logger: logger}
}

// Read implements io.Reader.
func (h *handshakeReader) Read(b []byte) (int, error) {
	for len(h.rest) == 0 {
		// A line that does not fit comes in pieces, none of which is a handshake.
		line, _, err := h.lines.ReadLine()
		if err != nil {
			return 0, err
		}
		switch text := strings.TrimSpace(string(line)); {
		case !h.done && isHandshake(text):
			h.done = true
			h.rest = []byte(text + "\n")
		case text != "":
			h.logger.Debug("printed on stdout", "line", text)
		}
	}
	n := copy(b, h.rest)
	h.rest = h.rest[n:]
	return n, nil
}

// isHandshake reports whether a line is what go-plugin waits for:
// CORE|APP|NETWORK|ADDRESS|PROTOCOL|...
func isHandshake(line string) bool {
	parts := strings.Split(line, "|")
	if len(parts) < 5 {
		return false
	}
	for _, number := range parts[:2] {
		if _, err := strconv.Atoi(number); err != nil {
			return false
		}
	}
	return true
}

const (
	tailLines = 12
	tailWidth = 400
)

// tail keeps the end of what a layer wrote to stderr, for the one message about its death. Where
// the layer panicked it keeps what the panic began with: a long dump of goroutines would push the
// reason out.
type tail struct {
	mu       sync.Mutex
	lines    []string
	partial  []byte
	panicked bool
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if room := tailWidth*4 - len(t.partial); room > 0 {
			t.partial = append(t.partial, line[:min(room, len(line))]...)
		}
		if !whole {
			return n, nil
		}
		t.add(readable(t.partial))
		t.partial = t.partial[:0]
		b = rest
	}
}

func (t *tail) add(line string) {
	if line == "" || t.panicked && len(t.lines) >= tailLines {
		return
	}
	if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
		if !t.panicked {
			t.lines = nil
		}
		t.panicked = true
	}
	if len(line) > tailWidth {
		line = line[:tailWidth] + "..."
	}
	t.lines = append(t.lines, line)
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

// Lines is what was kept.
func (t *tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}

// readable is a line of hclog's JSON as a person would want to read it; any other line as it is.
func readable(line []byte) string {
	var fields map[string]any
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return strings.ReplaceAll(strings.TrimRight(string(line), "\r\n"), "\t", "    ")
	}
	message, ok := fields["@message"].(string)
	if !ok {
		return string(line)
	}
	var b strings.Builder
	if level, ok := fields["@level"].(string); ok {
		fmt.Fprintf(&b, "[%s] ", strings.ToUpper(level))
	}
	b.WriteString(message)
	var keys []string
	for k := range fields {
		if !strings.HasPrefix(k, "@") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(&b, " %s=%v", k, fields[k])
	}
	return b.String()
}

// quiet is the logger that go-plugin gets: its own lines are of use to nobody but who debugs it, so
// they all become trace. The layer's lines, which it logs to a logger of the program's name, go to
// lines unchanged.
type quiet struct {
	hclog.Logger
	layer string
	lines hclog.Logger
}

// Debug implements hclog.Logger.
func (q quiet) Debug(msg string, args ...any) { q.Trace(msg, args...) }

// Info implements hclog.Logger.
func (q quiet) Info(msg string, args ...any) { q.Trace(msg, args...) }

// Warn implements hclog.Logger.
func (q quiet) Warn(msg string, args ...any) { q.Trace(msg, args...) }

// Error implements hclog.Logger.
func (q quiet) Error(msg string, args ...any) { q.Trace(msg, args...) }

// Named implements hclog.Logger.
func (q quiet) Named(name string) hclog.Logger {
	if name == q.layer {
		return printed{q.lines}
	}
	q.Logger = q.Logger.Named(name)
	return q
}

// printed is the logger for what a layer writes to stderr. What it logs comes with fields; all else
// it has only printed, which is debug output whatever the text begins with. A panic above all: it
// is shown once, with the failure that it is the reason of.
type printed struct{ hclog.Logger }

// Info implements hclog.Logger.
func (p printed) Info(msg string, args ...any) { p.at(p.Logger.Info, msg, args) }

// Warn implements hclog.Logger.
func (p printed) Warn(msg string, args ...any) { p.at(p.Logger.Warn, msg, args) }

// Error implements hclog.Logger.
func (p printed) Error(msg string, args ...any) { p.at(p.Logger.Error, msg, args) }

func (p printed) at(level func(string, ...any), msg string, args []any) {
	if len(args) == 0 {
		level = p.Debug
	}
	level(msg, args...)
}

// lineLogger is where go-plugin writes what a layer printed after it began to serve.
func lineLogger(l hclog.Logger, stream string) io.Writer {
	options := &hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}
	return l.With("stream", stream).StandardWriter(options)
}

// pipe is one output of a child, read until all writers have closed it or until a bounded time
// after the child's end.
type pipe struct {
	r    *os.File
	over chan struct{} // closed when it was read to its end
	once sync.Once
}

func newPipe() (*pipe, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return &pipe{r: r, over: make(chan struct{})}, w, nil
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil {
		p.once.Do(func() { close(p.over) })
		return n, io.EOF // a deadline is the end as well
	}
	return n, nil
}

// Close implements io.Closer.
func (p *pipe) Close() error { return p.r.Close() }

// finish gives the reader that long to come to the end, and then makes it the end.
func (p *pipe) finish(within time.Duration) {
	_ = p.r.SetReadDeadline(time.Now().Add(within))
	select {
	case <-p.over:
	case <-time.After(within + drain): // nobody reads it at all
	}
	_ = p.r.Close()
}
