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

// sign has the log of this run signed, where there is a key that may open without anybody being
// asked. What comes of it changes nothing of how the run ended.
func (r *run) sign(rec store.Record) {
	layer := trustLayer()
	if layer == "" || rec.Events == nil || r.policy.IsDisabled(policy.KindTrust) ||
		!loghead.MaySign(r.req.Dirs.LayerConfig(layer)) {
		return
	}
	head := loghead.Head{
		Session: rec.ID, Events: rec.Events.Count, Last: rec.Events.Head.String(), Plan: r.heldTo,
	}
	var signed loghead.Signed
	ctx, cancel := context.WithTimeoutCause(context.Background(), signPatience,
		fmt.Errorf("it took more than %s", signPatience))
	defer cancel()
	commands := &Commands{
		Dirs: r.req.Dirs, UID: r.req.UID, Lookup: r.req.Lookup, Dir: r.req.Dir, Log: r.req.Log,
	}
	if err := commands.quietly(ctx, layer, loghead.Sign, head, &signed); err != nil {
		signed = loghead.Signed{Why: err.Error(), Slow: true}
	}
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
	if err := c.quietly(ctx, layer, loghead.Verify, claims, &verdicts); err != nil {
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
	ctx context.Context, layer, path string, question, answer any,
) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	binary, req, err := c.prepare(ctx, layer, sdk.Subcommand{Path: path}, About{})
	if err != nil {
		return err
	}
	defer func() { _ = binary.Close() }()
	req.Dir = "/" // the user's may be gone
	var out, complaints limited
	code, err := (&layerhost.Command{
		Binary: binary, Request: req, Grace: quietGrace,
		Stdin: bytes.NewReader(text), Stdout: &out, Stderr: &complaints,
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
