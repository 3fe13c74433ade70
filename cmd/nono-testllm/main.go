// Command nono-testllm stands in for a provider of language models: to try a policy or an agent
// without spending money, for nono's demo, and for tests. Package testllm has what it answers.
//
//	nono-testllm -dir DIR                  # serves until it is interrupted, and says what to type
//	nono-testllm -- python my_agent.py     # runs a command that takes it for both providers
//
// The keys that it lets in are its own and open nothing else.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/testllm"
)

const usage = `Usage: nono-testllm [flags] [-- COMMAND...]

A stand-in for OpenAI (chat completions, responses) and Anthropic (messages), over TLS, with a
certificate authority and keys of its own. There is no model behind it.

Without a command it serves until it is interrupted, and says what to type. With one, it sets for it
the variables that the providers' clients read, and those that say whom to trust, and ends with it.

  nono-testllm -- python my_agent.py
  nono-testllm -- sh -c 'nono run -c "$NONO_TESTLLM_POLICY" --approve -- python my_agent.py'

A script is a list in JSON, with a step for each of the model's turns:

  [{"run": "ls"}, {"write": {"path": "/home/me/proj/a.txt", "content": "hello\n"}}, {"say": "done"}]

Flags:
`

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "nono-testllm:", err)
	}
	os.Exit(code)
}

// How much is read of what the user names.
const (
	mostOfScript = 16 << 20
	mostOfKey    = 4 << 10
)

// files are where what others need of the stand-in is written to.
type files struct{ dir, authority, policy, openai, anthropic string }

func filesIn(dir string) files {
	in := func(name string) string { return filepath.Join(dir, name) }
	return files{dir, in("ca.pem"), in("llm.hcl"), in("openai.key"), in("anthropic.key")}
}

func run(args []string) (code int, err error) {
	const failed = 1
	flags := flag.NewFlagSet("nono-testllm", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	var o testllm.Options
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "the `address` to serve at")
	flags.DurationVar(&o.Think, "think", 0, "the `time` before the first byte of an answer")
	flags.DurationVar(&o.Pace, "pace", 0, "the `time` between two events of a stream")
	dir := flags.String("dir", "", "a `directory` for the certificate, the keys and a policy;\n"+
		"without it a temporary one")
	script := flags.String("script", "", "a `file` that says what the model does")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0, nil
	} else if err != nil {
		return failed, nil // it was said already
	}
	if *script != "" {
		if o.Script, err = readScript(*script); err != nil {
			return failed, err
		}
	}
	if *dir == "" {
		if *dir, err = os.MkdirTemp("", "nono-testllm-"); err != nil {
			return failed, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(*dir)) }()
	}
	if *dir, err = filepath.Abs(*dir); err != nil {
		return failed, err
	}
	at := filesIn(*dir)
	if o.Keys, err = at.keys(); err != nil {
		return failed, err
	}
	llm, err := testllm.Start(o)
	if err != nil {
		return failed, err
	}
	defer func() { err = errors.Join(err, llm.Close()) }()
	policy := llm.Policy("file://"+at.openai, "file://"+at.anthropic)
	if err := errors.Join(
		replace(at.authority, llm.Authority.PEM()), replace(at.policy, []byte(policy)),
	); err != nil {
		return failed, err
	}
	if flags.NArg() > 0 {
		return at.command(llm, flags.Args())
	}
	fmt.Fprintf(os.Stderr, `nono-testllm: standing in for openai and anthropic at %s
In another terminal:

  export SSL_CERT_FILE=%s
  nono run -c %s --approve --allow-cwd -- python my_agent.py

`, llm.URL, at.authority, at.policy)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return 0, nil
}

func readScript(path string) (testllm.Script, error) {
	text, err := hostfile.Read(path, mostOfScript)
	if err != nil {
		return nil, err
	}
	return testllm.ReadScript(bytes.NewReader(text))
}

// keys are those of the directory, so that one may be stored in a keyring; it gets new ones where
// it has none.
func (f files) keys() (testllm.Keys, error) {
	keys := testllm.NewKeys()
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return keys, err
	}
	for path, key := range map[string]*string{f.openai: &keys.OpenAI, f.anthropic: &keys.Anthropic} {
		kept, err := hostfile.Read(path, mostOfKey)
		if err == nil && len(strings.TrimSpace(string(kept))) > 0 {
			*key = strings.TrimSpace(string(kept))
			continue
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return keys, err
		}
		if err := replace(path, []byte(*key+"\n")); err != nil {
			return keys, err
		}
	}
	return keys, nil
}

// replace writes a file that only its owner reads.
func replace(path string, content []byte) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// command runs a command that takes the stand-in for both providers, and returns its exit code.
func (f files) command(llm *testllm.Running, args []string) (int, error) {
	const cannot = 127
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"OPENAI_API_KEY="+llm.Keys.OpenAI, "OPENAI_BASE_URL="+llm.URL+"/v1",
		"ANTHROPIC_API_KEY="+llm.Keys.Anthropic, "ANTHROPIC_BASE_URL="+llm.URL,
		"SSL_CERT_FILE="+f.authority, "NODE_EXTRA_CA_CERTS="+f.authority,
		"NONO_TESTLLM_POLICY="+f.policy,
	)
	// What the terminal sends both get, and the command decides. It is not ignored, which the command
	// would inherit.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGQUIT)
	if err := cmd.Run(); cmd.ProcessState == nil {
		return cannot, err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
