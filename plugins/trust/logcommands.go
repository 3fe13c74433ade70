package trust

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/logs"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/loghead"
	"github.com/nono-run/nono/sdk/policy"
)

// logCommands are those about the logs of sessions. Core runs them, and no user types them, so
// Describe does not list them.
var logCommands = []command{
	{Subcommand: sdk.Subcommand{Path: loghead.Sign}, run: signLog},
	{Subcommand: sdk.Subcommand{Path: loghead.Verify}, run: verifyLogs},
}

// unasked is how long the key has to open for a log: less than core waits, so that what kept it
// from opening is told.
const unasked = 1400 * time.Millisecond

// signLog signs the head of a log with the default key, if that opens unasked. It is started before
// the log is over, and opens the key when it is.
func signLog(ctx context.Context, req *sdk.SubcommandRequest) error {
	hide()
	options := ringOptions(req)
	options.Ask = nil
	ring, err := keys.Open(req.ConfigDir, options)
	if err != nil {
		return err
	}
	var head loghead.Head
	if err := loghead.Read(os.Stdin, &head); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, unasked)
	defer cancel()
	key, err := ring.Private(within, keys.Default)
	if err != nil {
		return json.NewEncoder(os.Stdout).Encode(loghead.Signed{
			Why: policy.Printable(err.Error()), Slow: within.Err() != nil,
		})
	}
	defer key.Close()
	text, err := logs.Sign(head, key)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(loghead.Signed{Bundle: text})
}

// verifyLogs verifies the signatures of logs, with the keys that are trusted on this account.
func verifyLogs(_ context.Context, req *sdk.SubcommandRequest) error {
	var claims []loghead.Claim
	if err := loghead.Read(os.Stdin, &claims); err != nil {
		return err
	}
	ring, err := keys.Open(req.ConfigDir, keys.Options{UID: os.Getuid()})
	if err != nil {
		return err
	}
	trusted := bundle.Verifier{Keys: ring.Keys(), Revoked: ring.Revoked().IDs()}
	verdicts := make([]loghead.Verdict, len(claims))
	for i, claim := range claims {
		id, err := logs.Verify(claim, trusted)
		if err != nil {
			verdicts[i].Problem = policy.Printable(err.Error())
			continue
		}
		verdicts[i] = loghead.Verdict{By: ring.NameOf(id), Key: string(id)}
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}
