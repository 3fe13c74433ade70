package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/loghead"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is how the log of a session that is over is signed, and how signatures are verified:
// nono's own trust layer does both, in commands that no user types. Core has no key.

const (
	// signPatience is how long a run waits at its very end for its log to be signed.
	signPatience = 2 * time.Second
	// verifyPatience is how long the signatures of logs take at most to be verified.
	verifyPatience = time.Minute
	// quietGrace is how long such a command has to end when its time is over.
	quietGrace = 100 * time.Millisecond
)

// trustLayer is the name of nono's own layer of that kind; "" where it has none.
func trustLayer() string {
	k, _ := kinds.Of(policy.KindTrust)
	return k.BuiltIn(runtime.GOOS)
}

// signing is a process that is going to sign the log of a run. It takes longer to start than to
// sign, so it is started when the agent is gone, and waits while layers finish.
type signing struct {
	head   *io.PipeWriter // for the log's, when that is over
	end    context.CancelCauseFunc
	signed chan loghead.Signed
}

// beginSigning starts it where there is a key that may open without anybody being asked.
func (r *run) beginSigning() {
	layer := trustLayer()
	if layer == "" || !r.recorded || r.policy.IsDisabled(policy.KindTrust) ||
		!loghead.MaySign(r.req.Dirs.LayerConfig(layer)) {
		return
	}
	commands := &Commands{
		Dirs: r.req.Dirs, UID: r.req.UID, Lookup: r.req.Lookup, Dir: r.req.Dir, Log: r.req.Log,
	}
	r.signing = newSigning(func(ctx context.Context, head io.Reader, signed *loghead.Signed) error {
		return commands.quietly(ctx, layer, loghead.Sign, head, signed)
	})
}

// newSigning begins to run a process, which reads the head and answers.
func newSigning(
	run func(ctx context.Context, head io.Reader, signed *loghead.Signed) error,
) *signing {
	ctx, end := context.WithCancelCause(context.Background())
	read, head := io.Pipe()
	s := &signing{head: head, end: end, signed: make(chan loghead.Signed, 1)}
	go func() {
		var signed loghead.Signed
		if err := run(ctx, read, &signed); err != nil {
			signed = loghead.Signed{Why: err.Error(), Slow: true}
		}
		_ = read.CloseWithError(errors.New("nobody signs any more"))
		s.signed <- signed
	}()
	return s
}

// sign has it sign, and waits for that.
func (s *signing) sign(head loghead.Head) loghead.Signed {
	defer s.end(nil)
	overdue := time.AfterFunc(signPatience, func() {
		s.end(fmt.Errorf("it took more than %s", signPatience))
	})
	defer overdue.Stop()
	// A process that is gone says why itself.
	_ = s.head.CloseWithError(json.NewEncoder(s.head).Encode(head))
	return <-s.signed
}

// drop ends it unused, and returns when it is gone.
func (s *signing) drop() {
	if s != nil {
		s.end(errors.New("there is nothing to sign"))
		_ = s.head.CloseWithError(io.ErrUnexpectedEOF)
		<-s.signed
	}
}

// sign has the log of this run signed, if that was begun. What comes of it changes nothing of how
// the run ended.
func (r *run) sign(rec store.Record) {
	if r.signing == nil || rec.Events == nil {
		r.signing.drop()
		return
	}
	signed := r.signing.sign(loghead.Head{
		Session: rec.ID, Events: rec.Events.Count, Last: rec.Events.Head.String(), Plan: r.heldTo,
	})
	stored := store.In(r.req.Dirs)
	var err error
	switch {
	case len(signed.Bundle) > 0 && len(signed.Bundle) <= loghead.MaxBundle:
		err = stored.KeepSignature(rec.ID, signed.Bundle)
	default:
		err = stored.KeepUnsigned(rec.ID, signed.Why)
	}
	switch {
	case err != nil:
		r.req.Out.Problem(diag.Warningf("storing the signature of the session's log: %v", err))
	case signed.Slow:
		r.req.Out.Problem(diag.Warningf("the session's log is not signed: %s", signed.Why).
			Try("`nono audit verify %s` says so too", rec.ID))
	case signed.Why != "":
		r.req.Out.Detail("the session's log is not signed: %s", signed.Why)
	}
}

// VerifyLogs verifies the signatures of logs, and has a verdict for each claim.
func (c *Commands) VerifyLogs(
	ctx context.Context, claims []loghead.Claim,
) ([]loghead.Verdict, error) {
	layer := trustLayer()
	if layer == "" {
		return nil, errors.New("nono verifies no signature on this system")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, verifyPatience,
		fmt.Errorf("it took more than %s", verifyPatience))
	defer cancel()
	var verdicts []loghead.Verdict
	text, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	err = c.quietly(ctx, layer, loghead.Verify, bytes.NewReader(text), &verdicts)
	if err != nil {
		return nil, err
	}
	if len(verdicts) != len(claims) {
		return nil, fmt.Errorf("layer %s was asked about %d logs, and answered about %d",
			layer, len(claims), len(verdicts))
	}
	return verdicts, nil
}

// quietly runs a command of a layer's that is about no terminal: it reads a question and writes an
// answer, as JSON.
func (c *Commands) quietly(
	ctx context.Context, layer, path string, question io.Reader, answer any,
) error {
	binary, req, err := c.prepare(ctx, layer, sdk.Subcommand{Path: path}, About{})
	if err != nil {
		return err
	}
	defer func() { _ = binary.Close() }()
	req.Dir = "/" // the user's may be gone
	var out, complaints limited
	code, err := (&layerhost.Command{
		Binary: binary, Request: req, Grace: quietGrace,
		Stdin: question, Stdout: &out, Stderr: &complaints,
	}).Run(ctx)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("layer %s ended with %d: %s", layer, code,
			policy.Printable(strings.TrimSpace(complaints.String())))
	}
	return loghead.Read(&out.Buffer, answer)
}

// limited keeps what is written to it, up to a bound.
type limited struct{ bytes.Buffer }

// Write implements [io.Writer].
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > loghead.MaxMessage {
		return 0, io.ErrShortWrite
	}
	return l.Buffer.Write(p)
}
