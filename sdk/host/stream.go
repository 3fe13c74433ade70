package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/wire"
)

// Handler is what a host does with what a layer says on its session.
//
// Event, Progress and Stop are called one after the other, in the order in which the layer sent
// them, and must not block for long. Ask and Dial run beside them.
type Handler interface {
	Event(e sdk.Event)
	Progress(text string, done, total uint64)
	Stop(reason string)
	// Ask gets an answer from the user. Where nobody can answer the error is [sdk.ErrNobody].
	Ask(ctx context.Context, text string, hidden bool) (string, error)
	// Dial connects to a port of the loopback inside. The file is closed once it has been passed
	// on.
	Dial(ctx context.Context, port uint16) (*os.File, error)
}

// Beat is how a host finds out that a layer hangs: it sends one each Interval, and a layer from
// which nothing at all came for Silence is lost.
type Beat struct{ Interval, Silence time.Duration }

// ErrHangs is the end of a session whose layer has fallen silent.
var ErrHangs = errors.New("it hangs")

// maxRequests bounds the questions and dials of one layer that are in progress.
const maxRequests = 256

// Stream is the host's end of a session.
type Stream struct {
	client   *Client
	handler  Handler
	stream   layerpb.Layer_SessionClient
	cancel   context.CancelCauseFunc
	requests chan struct{}

	sending sync.Mutex
	// heard is set by all that the layer says, and cleared with each beat; busy is set while a
	// handler runs.
	heard atomic.Bool
	busy  atomic.Bool
	beats atomic.Uint64

	rest   sync.Once
	rested chan struct{}

	numbers atomic.Uint64 // the last beat's
	mu      sync.Mutex
	settles map[uint64]chan struct{} // beats that are waited for

	over chan struct{}
	err  error
}

// OpenSession opens the stream, between Describe and Plan, and serves it until it ends or ctx does.
func (c *Client) OpenSession(ctx context.Context, h Handler, beat Beat) (*Stream, error) {
	if beat.Interval <= 0 || beat.Silence <= 0 {
		return nil, errors.New("a session without a beat would never notice a hang")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	rpc, err := c.rpc.Session(ctx)
	if err != nil {
		cancel(err)
		return nil, err
	}
	s := &Stream{
		client: c, handler: h, stream: rpc, cancel: cancel,
		requests: make(chan struct{}, maxRequests), over: make(chan struct{}),
		rested: make(chan struct{}), settles: map[uint64]chan struct{}{},
	}
	go s.read(ctx)
	go s.beat(ctx, beat)
	return s, nil
}

// Done is closed when the session has ended.
func (s *Stream) Done() <-chan struct{} { return s.over }

// Rested is closed when the layer has nothing more to do.
func (s *Stream) Rested() <-chan struct{} { return s.rested }

// Err says why, after Done.
func (s *Stream) Err() error { return s.err }

// Beats is how many beats the layer has answered.
func (s *Stream) Beats() uint64 { return s.beats.Load() }

// Settle returns when the handler has had all that the layer had said when Settle was called: the
// answer to a beat comes behind it. The end of the session settles it as well.
func (s *Stream) Settle(ctx context.Context) error {
	answered := make(chan struct{})
	number := s.numbers.Add(1)
	s.mu.Lock()
	s.settles[number] = answered
	s.mu.Unlock()
	go s.send(beatOf(number)) // beside, for a hung layer's stream takes no more
	select {
	case <-answered:
		return nil
	case <-s.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answered is told of the answer to a beat.
func (s *Stream) answered(number uint64) {
	s.beats.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiting, ok := s.settles[number]; ok {
		close(waiting)
		delete(s.settles, number)
	}
}

func beatOf(number uint64) *layerpb.SessionRequest {
	return &layerpb.SessionRequest{
		Message: &layerpb.SessionRequest_Beat{Beat: &layerpb.Beat{Number: number}},
	}
}

// Close ends the session.
func (s *Stream) Close() { s.cancel(errors.New("the host closed the session")) }

func (s *Stream) read(ctx context.Context) {
	defer close(s.over)
	for {
		m, err := s.stream.Recv()
		if err == nil {
			s.busy.Store(true)
			err = s.take(ctx, m)
			s.heard.Store(true)
			s.busy.Store(false)
		}
		if err != nil {
			s.err = ending(ctx, err)
			s.cancel(s.err)
			return
		}
	}
}

// ending is the one reason for the end of a session: ours, if we ended it, else the stream's.
func ending(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return errors.New("it closed its session")
	}
	return err
}

func (s *Stream) take(ctx context.Context, m *layerpb.SessionResponse) error {
	switch m := m.GetMessage().(type) {
	case *layerpb.SessionResponse_Beat:
		s.answered(m.Beat.GetNumber())
		return nil
	case *layerpb.SessionResponse_Event:
		event, err := decodeEvent(m.Event)
		if err != nil {
			return &BadAnswer{err}
		}
		s.handler.Event(event)
		return nil
	case *layerpb.SessionResponse_Progress:
		if err := wire.Text(m.Progress.GetText()); err != nil {
			return &BadAnswer{wire.At(err, "progress")}
		}
		s.handler.Progress(m.Progress.GetText(), m.Progress.GetDone(), m.Progress.GetTotal())
		return nil
	case *layerpb.SessionResponse_Stop:
		if err := wire.Text(m.Stop.GetReason()); err != nil {
			return &BadAnswer{wire.At(err, "stop")}
		}
		s.handler.Stop(m.Stop.GetReason())
		return s.beside(func() {
			s.send(&layerpb.SessionRequest{Message: &layerpb.SessionRequest_Stopping{
				Stopping: &layerpb.Stopping{Id: m.Stop.GetId()},
			}})
		})
	case *layerpb.SessionResponse_Question:
		if err := wire.Text(m.Question.GetText()); err != nil {
			return &BadAnswer{wire.At(err, "question")}
		}
		return s.beside(func() { s.send(s.ask(ctx, m.Question)) })
	case *layerpb.SessionResponse_Rested:
		s.rest.Do(func() { close(s.rested) })
		return nil
	case *layerpb.SessionResponse_Dial:
		return s.beside(func() { s.send(s.dial(ctx, m.Dial)) })
	default:
		return &BadAnswer{errors.New("a message without content on its session")}
	}
}

// beside runs a request while the stream is read on.
func (s *Stream) beside(f func()) error {
	select {
	case s.requests <- struct{}{}:
	default:
		return &BadAnswer{fmt.Errorf("more than %d requests at once on its session", maxRequests)}
	}
	go func() {
		defer func() { <-s.requests }()
		f()
	}()
	return nil
}

func (s *Stream) ask(ctx context.Context, q *layerpb.Question) *layerpb.SessionRequest {
	a := &layerpb.Answer{Id: q.GetId()}
	text, err := s.handler.Ask(ctx, q.GetText(), q.GetHidden())
	if err != nil {
		a.Error, a.Nobody = reason(err), errors.Is(err, sdk.ErrNobody)
	} else {
		a.Text = []byte(text)
	}
	return &layerpb.SessionRequest{Message: &layerpb.SessionRequest_Answer{Answer: a}}
}

func (s *Stream) dial(ctx context.Context, d *layerpb.Dial) *layerpb.SessionRequest {
	m, err := s.dialled(ctx, d)
	if err != nil {
		m = &layerpb.SessionRequest{Message: &layerpb.SessionRequest_Dialled{
			Dialled: &layerpb.DialResult{Id: d.GetId(), Error: reason(err)},
		}}
	}
	return m
}

func (s *Stream) dialled(ctx context.Context, d *layerpb.Dial) (*layerpb.SessionRequest, error) {
	if d.GetPort() == 0 || d.GetPort() > math.MaxUint16 {
		return nil, fmt.Errorf("%d is not a port", d.GetPort())
	}
	f, err := s.handler.Dial(ctx, uint16(d.GetPort()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return s.client.dialled(d.GetId(), f)
}

// dialled sends a connected socket, and makes the message that names it.
func (c *Client) dialled(id uint64, f *os.File) (*layerpb.SessionRequest, error) {
	token, err := c.lifeline.Send(f)
	return &layerpb.SessionRequest{Message: &layerpb.SessionRequest_Dialled{
		Dialled: &layerpb.DialResult{Id: id, Token: token[:]},
	}}, err
}

// reason is an error's text, never empty: an empty one would mean success.
func reason(err error) string {
	if text := err.Error(); text != "" {
		return text
	}
	return "no reason was given"
}

// send writes to the stream. If that fails the stream is over, and its reader says so.
func (s *Stream) send(m *layerpb.SessionRequest) {
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.stream.Send(m)
}

// beat sends beats, and ends the session of a layer that has fallen silent.
func (s *Stream) beat(ctx context.Context, b Beat) {
	tick := time.NewTicker(b.Interval)
	defer tick.Stop()
	last, quiet := time.Now(), time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		since := time.Since(last)
		last = last.Add(since)
		if s.heard.Swap(false) || s.busy.Load() {
			quiet = 0
		} else {
			// A beat that comes late is our own doing: when this process was stopped (Ctrl-Z) the
			// clock ran on and the answers lie unread. So no beat counts for much more than its
			// interval.
			quiet += min(since, b.Interval*3/2)
		}
		if quiet > b.Silence {
			s.cancel(fmt.Errorf("%w: nothing was heard of it for %s", ErrHangs, b.Silence))
			return
		}
		s.beatOnce()
	}
}

// beatOnce does not wait behind another message: a hung layer's stream takes no more, and silence
// must still be counted.
func (s *Stream) beatOnce() {
	if !s.sending.TryLock() {
		return
	}
	go func() {
		defer s.sending.Unlock()
		_ = s.stream.Send(beatOf(s.numbers.Add(1)))
	}()
}
