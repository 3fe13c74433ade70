package sdk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/policy"
)

// givenUp is how long a socket is waited for that nobody wants any more.
const givenUp = 5 * time.Second

// What a call on a session can fail with, whatever it was about.
var (
	// ErrNoSession means that there is no session: an ephemeral layer has none.
	ErrNoSession = errors.New("there is no session: an ephemeral layer has none")
	// ErrSessionOver means that the stream has ended. Core is gone then, and the process about to
	// be.
	ErrSessionOver = errors.New("the session is over")
	// ErrNobody means that nobody can answer a question: there is no terminal, or the agent has it.
	ErrNobody = errors.New("nobody can answer")
)

// Session is the layer's end of the stream with core. A bracket or resident layer has one in each
// of its processes, from Plan or Finish on; an ephemeral layer has none. Its methods may be called
// from any goroutine, and a call that core does not get is an error. The beats that core sends are
// answered by the session and concern no layer.
type Session struct {
	descriptors *lifeline.Layer
	opened      chan struct{} // closed when core has opened the stream
	over        chan struct{} // closed when the stream has ended

	// sending guards the stream's Send, which is not safe for several goroutines.
	sending sync.Mutex
	stream  layerpb.Layer_SessionServer

	mu      sync.Mutex
	last    uint64
	pending map[uint64]chan *layerpb.SessionRequest
}

func newSession(descriptors *lifeline.Layer) *Session {
	return &Session{
		descriptors: descriptors,
		opened:      make(chan struct{}),
		over:        make(chan struct{}),
		pending:     make(map[uint64]chan *layerpb.SessionRequest),
	}
}

// Event is something that happened. Nothing in it is secret.
type Event struct {
	Name string
	// Rule is the rule of the policy that decided it, if one did.
	Rule policy.RuleID
	// Count is how often it happened; zero is once. Core counts what is told again by itself.
	Count  uint64
	Fields map[string]string
}

// Event tells of something that happened, for the session's log and for -v.
func (s *Session) Event(e Event) error {
	return s.send(&layerpb.SessionResponse{Message: &layerpb.SessionResponse_Event{
		Event: &layerpb.Event{
			Name: e.Name, Rule: string(e.Rule), Count: e.Count, Fields: maps.Clone(e.Fields),
		},
	}})
}

// Progress says how far a long call has come, and extends its deadline. A total of zero is one that
// is not known.
func (s *Session) Progress(text string, done, total uint64) error {
	return s.send(&layerpb.SessionResponse{Message: &layerpb.SessionResponse_Progress{
		Progress: &layerpb.Progress{Text: text, Done: done, Total: total},
	}})
}

// rested says that what was left to do after Start is done.
func (s *Session) rested() error {
	return s.send(&layerpb.SessionResponse{Message: &layerpb.SessionResponse_Rested{
		Rested: &layerpb.Rested{},
	}})
}

// Stop asks core to end the run, and says why: a quota used up, for instance. Before the gate is
// opened, the run is refused for that reason. Stop returns when core knows, and does not wait for
// the end.
func (s *Session) Stop(reason string) error {
	// Waited for, so that a Plan or Start in which the layer stopped the run cannot have succeeded
	// before core hears of it.
	_, err := s.request(context.Background(), func(id uint64) *layerpb.SessionResponse {
		return &layerpb.SessionResponse{Message: &layerpb.SessionResponse_Stop{
			Stop: &layerpb.Stop{Id: id, Reason: reason},
		}}
	})
	return err
}

// Ask puts a question to the user and waits for the answer, a line. Questions are asked one after
// another, each with the name of its layer, and an open one stops the clock of the layer's call.
// Where nobody can answer the error is [ErrNobody], at once: without a terminal, in a dry run, and
// while the agent runs, which has the terminal then.
func (s *Session) Ask(ctx context.Context, text string) (string, error) {
	answer, err := s.ask(ctx, &layerpb.Question{Text: text})
	return string(answer), err
}

// AskHidden is Ask for what must not be seen on the terminal.
func (s *Session) AskHidden(ctx context.Context, text string) (Secret, error) {
	answer, err := s.ask(ctx, &layerpb.Question{Text: text, Hidden: true})
	return NewSecret(answer), err
}

func (s *Session) ask(ctx context.Context, q *layerpb.Question) ([]byte, error) {
	m, err := s.request(ctx, func(id uint64) *layerpb.SessionResponse {
		q.Id = id
		return &layerpb.SessionResponse{Message: &layerpb.SessionResponse_Question{Question: q}}
	})
	if err != nil {
		return nil, fmt.Errorf("asking the user: %w", err)
	}
	answer := m.GetAnswer()
	switch {
	case answer.GetNobody():
		return nil, fmt.Errorf("asking the user: %w: %s", ErrNobody, answer.GetError())
	case answer.GetError() != "":
		return nil, fmt.Errorf("asking the user: %s", answer.GetError())
	}
	return answer.GetText(), nil
}

// Dial connects to a port of the loopback inside, one of those that the fragment's dialer step
// names.
func (s *Session) Dial(ctx context.Context, port uint16) (net.Conn, error) {
	conn, err := s.dial(ctx, port)
	if err != nil {
		return nil, fmt.Errorf("dialling port %d inside: %w", port, err)
	}
	return conn, nil
}

func (s *Session) dial(ctx context.Context, port uint16) (net.Conn, error) {
	answer, err := s.request(ctx, func(id uint64) *layerpb.SessionResponse {
		return &layerpb.SessionResponse{Message: &layerpb.SessionResponse_Dial{
			Dial: &layerpb.Dial{Id: id, Port: uint32(port)},
		}}
	})
	if err != nil {
		return nil, err
	}
	if reason := answer.GetDialled().GetError(); reason != "" {
		return nil, errors.New(reason)
	}
	token, err := lifeline.ParseToken(answer.GetDialled().GetToken())
	if err != nil {
		return nil, err
	}
	file, err := s.descriptors.Take(ctx, token)
	if err != nil {
		return nil, err
	}
	// FileConn duplicates.
	defer func() { _ = file.Close() }()
	return net.FileConn(file)
}

func (s *Session) send(m *layerpb.SessionResponse) error {
	if s == nil {
		return ErrNoSession
	}
	select {
	case <-s.over:
		return ErrSessionOver
	case <-s.opened:
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.stream.Send(m); err != nil {
		return fmt.Errorf("%w: %w", ErrSessionOver, err)
	}
	return nil
}

// request sends a message and waits for the one that answers it.
func (s *Session) request(
	ctx context.Context, message func(id uint64) *layerpb.SessionResponse,
) (*layerpb.SessionRequest, error) {
	if s == nil {
		return nil, ErrNoSession
	}
	answer := make(chan *layerpb.SessionRequest, 1)
	s.mu.Lock()
	s.last++
	id := s.last
	s.pending[id] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, id)
		s.mu.Unlock()
	}()

	if err := s.send(message(id)); err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-s.over:
		return nil, ErrSessionOver
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open takes the stream that core opened. It can be opened once.
func (s *Session) open(stream layerpb.Layer_SessionServer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		return false
	}
	s.stream = stream
	close(s.opened)
	return true
}

// serve reads the stream until it ends.
func (s *Session) serve() error {
	defer close(s.over)
	for {
		m, err := s.stream.Recv()
		if err != nil {
			return nil // core closed the stream, or is gone: nobody is there to be told
		}
		switch m := m.GetMessage().(type) {
		case *layerpb.SessionRequest_Beat:
			// If it cannot be sent the stream has ended, which the next Recv finds as well.
			_ = s.send(&layerpb.SessionResponse{Message: &layerpb.SessionResponse_Beat{Beat: m.Beat}})
		case *layerpb.SessionRequest_Answer:
			s.answer(m.Answer.GetId(), &layerpb.SessionRequest{Message: m})
		case *layerpb.SessionRequest_Stopping:
			s.answer(m.Stopping.GetId(), &layerpb.SessionRequest{Message: m})
		case *layerpb.SessionRequest_Dialled:
			s.answer(m.Dialled.GetId(), &layerpb.SessionRequest{Message: m})
		}
	}
}

func (s *Session) answer(id uint64, m *layerpb.SessionRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiting, ok := s.pending[id]; ok {
		waiting <- m // buffered, and taken out of the map, so that a second answer finds nobody
		delete(s.pending, id)
		return
	}
	// Whoever asked has given up. A socket that was sent for it must not stay open.
	if token, err := lifeline.ParseToken(m.GetDialled().GetToken()); err == nil {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), givenUp)
			defer cancel()
			if f, err := s.descriptors.Take(ctx, token); err == nil {
				_ = f.Close()
			}
		}()
	}
}
