package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk"
)

func ephemeral(t *trial) error {
	l, req, _, err := t.plan(t.empty)
	if err != nil {
		return err
	}
	if l.is.Lifetime != sdk.Ephemeral {
		return &Nothing{Why: "it is " + string(l.is.Lifetime)}
	}
	if _, err := l.Start(t.ctx, &sdk.StartRequest{Run: req.Run}, nil); err == nil {
		return errors.New("it could be started")
	}
	finish := &sdk.FinishRequest{Run: req.Run, End: sdk.End{Reason: sdk.EndExited}}
	if _, err := l.Finish(t.ctx, finish); err == nil {
		return errors.New("it could be finished")
	}
	return nil
}

// silence is how long a call may go on without a beat being answered. Hosts send many in that time,
// and take a layer for lost only after far longer.
const silence = 2 * time.Second

func beats(t *trial) error {
	l, req, planned, err := t.planStarter()
	if err != nil {
		return err
	}
	if !t.until(func() bool { return l.Beats() >= 2 }) {
		return fmt.Errorf("%d beats were answered in %s", l.Beats(), patience)
	}
	err = l.answering("Plan", func() error {
		_, err := l.Plan(t.ctx, req)
		return err
	})
	if err != nil {
		return err
	}
	return l.answering("Start", func() error {
		_, err := t.start(l, req, planned)
		return err
	})
}

// answering makes a call, and watches whether beats are answered meanwhile.
func (l *layer) answering(name string, call func() error) error {
	result := make(chan error, 1)
	go func() { result <- call() }()
	heard, last := time.Now(), l.Beats()
	var longest time.Duration
	for {
		select {
		case err := <-result:
			if err == nil && longest > silence {
				err = fmt.Errorf("while %s ran, no beat was answered for %s",
					name, longest.Round(time.Millisecond))
			}
			return err
		case <-time.After(silence / 100):
		}
		longest = max(longest, time.Since(heard))
		if beats := l.Beats(); beats != last {
			heard, last = time.Now(), beats
		}
	}
}

// start calls Start. Once it has returned, a bracket layer's process is done, as in a run.
func (t *trial) start(l *layer, req *sdk.PlanRequest, planned *sdk.PlanResponse) ([]byte, error) {
	sockets, err := Open(planned.Fragment)
	if err != nil {
		return nil, &Nothing{Why: err.Error(), Untried: true}
	}
	defer sockets.Close()
	return t.startWith(l, req, planned, sockets)
}

func (t *trial) startWith(
	l *layer, req *sdk.PlanRequest, planned *sdk.PlanResponse, sockets Sockets,
) ([]byte, error) {
	if err := os.MkdirAll(req.Dir, 0o700); err != nil {
		return nil, &Nothing{Why: err.Error(), Untried: true}
	}
	start := &sdk.StartRequest{Run: req.Run, Secrets: planned.Secrets}
	started, err := l.Start(t.ctx, start, sockets.handed())
	if err != nil {
		return nil, fmt.Errorf("calling Start: %w", err)
	}
	if why := l.stopped.Load(); why != nil {
		return nil, fmt.Errorf("in Start it stopped the run: %s", *why)
	}
	if l.is.Lifetime == sdk.Bracket {
		l.Close()
	}
	return started.State, nil
}

// finishTwice calls Finish twice in a fresh process, and once more in another.
func (t *trial) finishTwice(req *sdk.FinishRequest) error {
	for _, times := range []int{2, 1} {
		l, err := t.begin()
		if err != nil {
			return err
		}
		for i := range times {
			report, err := l.Finish(t.ctx, req)
			if err != nil {
				return fmt.Errorf("calling Finish, time %d in this process: %w", i+1, err)
			}
			if name, ok := findSecret(strings.Join(report.Lines, "\n"), req.Secrets); ok {
				return fmt.Errorf("the report of Finish holds the secret %q in clear", name)
			}
		}
		l.Close()
	}
	return nil
}

func finishNeverStarted(t *trial) error {
	_, req, _, err := t.planStarter()
	if err != nil {
		return err
	}
	run := req.Run
	run.HostVariables = nil // they are stored no more than secrets are
	return t.finishTwice(&sdk.FinishRequest{
		Run: run, End: sdk.End{Reason: sdk.EndCoreLost}, Stored: true,
	})
}

func finishStarted(t *trial) error {
	l, req, planned, err := t.planStarter()
	if err != nil {
		return err
	}
	state, err := t.start(l, req, planned)
	if err != nil {
		return err
	}
	for name, secret := range planned.Secrets {
		if value := secret.Reveal(); len(value) >= telling && bytes.Contains(state, value) {
			return fmt.Errorf("the state that Start returned holds the secret %q in clear", name)
		}
	}
	now := time.Now()
	finish := &sdk.FinishRequest{
		Run: req.Run, End: sdk.End{Reason: sdk.EndExited, Started: now, Ended: now},
		Secrets: planned.Secrets, State: state,
	}
	if l.is.Lifetime == sdk.Resident {
		if _, err := l.Finish(t.ctx, finish); err != nil {
			return fmt.Errorf("calling Finish in the process that was armed: %w", err)
		}
		l.Close()
	}
	return t.finishTwice(finish)
}

func finishCutOff(t *trial) error {
	// An undisturbed Start says when one is half done.
	l, req, planned, err := t.planStarter()
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := t.start(l, req, planned); err != nil {
		return err
	}
	took := time.Since(began)
	for _, moment := range []time.Duration{0, took / 2} {
		l, req, planned, err := t.planStarter()
		if err != nil {
			return err
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			_, _ = t.start(l, req, planned) // it fails, unless it was quick
		}()
		<-time.After(moment)
		l.Kill()
		<-over
		err = t.finishTwice(&sdk.FinishRequest{
			Run: req.Run, End: sdk.End{Reason: sdk.EndStartFailed}, Secrets: planned.Secrets,
		})
		if err != nil {
			return fmt.Errorf("after a Start that was cut off after %s: %w",
				moment.Round(time.Microsecond), err)
		}
	}
	return nil
}

func forgets(t *trial) error {
	l, req, planned, err := t.planStarter()
	if err != nil {
		return err
	}
	if !l.is.Forgets {
		return &Nothing{Why: "it keeps nothing"}
	}
	state, err := t.start(l, req, planned)
	if err != nil {
		return err
	}
	if err := t.finishTwice(&sdk.FinishRequest{
		Run: req.Run, End: sdk.End{Reason: sdk.EndExited}, Secrets: planned.Secrets, State: state,
	}); err != nil {
		return err
	}
	for range 2 {
		l, err := t.begin()
		if err != nil {
			return err
		}
		_, err = l.Forget(t.ctx, &sdk.ForgetRequest{
			StateDir: req.StateDir, Sessions: []string{req.SessionID, "never"},
		})
		if err != nil {
			return fmt.Errorf("calling Forget: %w", err)
		}
		l.Close()
	}
	return nil
}
