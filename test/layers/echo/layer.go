package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/test/layers/misbehave"
)

const (
	listener = "echo"
	token    = "token"

	// redial is how often the layer tries to reach the port inside, until the agent serves there.
	redial = 20 * time.Millisecond
	// soon is the moment after Start at which the layer misbehaves: the agent is likely to run by
	// then.
	soon = 300 * time.Millisecond
	// slowly is how long Start takes when it is told to take its time: an agent that did not wait for
	// it would be far by then.
	slowly = 500 * time.Millisecond
)

// misbehaviours are what the setting of that name can ask for; armed is a moment after Start.
var misbehaviours = append(misbehave.All("plan", "start", "armed", "finish"),
	"refuse-plan", "refuse-start", "refuse-password", "stop-plan", "stop-start", "stop-armed",
	"refuse-finish", "wait-finish", "unserved")

type settings struct {
	Greeting  string  `json:"greeting"`
	DialPort  float64 `json:"dial_port"`
	ArmSlowly bool    `json:"arm_slowly"`
	FileAt    string  `json:"file_at"`
	Misbehave string  `json:"misbehave"`
	Ask       string  `json:"ask"`
	Variables string  `json:"variables"`

	Password sdk.Secret `json:"password"`
}

type layer struct{}

// Describe implements sdk.Layer.
func (*layer) Describe() sdk.Description {
	misbehave.At("describe", misbehave.Early())
	return sdk.Description{
		Name: cmp.Or(os.Getenv("LAYER_NAME"), "test/echo"), Version: "1.0.0",
		Kind: policy.KindCustom, Lifetime: sdk.Resident,
		StateDir: true,
		Settings: []sdk.Setting{
			{
				Name: "greeting", Type: sdk.SettingString,
				Help: "what it sends first on a connection that it dials",
			},
			{Name: "dial_port", Type: sdk.SettingNumber, Help: "the port inside that it dials"},
			{Name: "arm_slowly", Type: sdk.SettingBool, Help: "let Start take its time"},
			{
				Name: "ask", Type: sdk.SettingString, OneOf: []string{"plan", "start", "armed", "finish"},
				Help: "when it asks the user a question",
			},
			{Name: "file_at", Type: sdk.SettingString, Help: "where it puts a file of its own"},
			{
				Name: "variables", Type: sdk.SettingString,
				Help: "what its variables begin with, instead of ECHO",
			},
			{
				Name: "password", Type: sdk.SettingString, Sensitive: true,
				Help: "what nobody is to see",
			},
			{
				Name: "misbehave", Type: sdk.SettingString, OneOf: misbehaviours,
				Help: "how it fails, for tests",
			},
		},
		Subcommands: []sdk.Subcommand{
			{
				Path: "greet", Help: "Greet somebody", Arguments: "NAME...",
				Flags: []sdk.Flag{
					{Name: "loud", Help: "in capitals"},
					{Name: "with", Value: "WORD", Help: "the word to greet with"},
				},
				Completion: sdk.CompleteWords, Words: []string{"ada", "grace"},
			},
			{Path: "runs count", Help: "Count the runs"},
			{Path: "runs about", Help: "Show what is kept of a session", Session: true},
			{Path: "ask", Help: "Ask for the word"},
			{Path: "show", Help: "Show what a command is told", Arguments: "ANYTHING..."},
		},
	}
}

// Run implements sdk.Commander.
func (*layer) Run(ctx context.Context, req *sdk.SubcommandRequest) error {
	switch req.Path {
	case "greet":
		words := append(req.Flags["with"], "hello")
		greeting := words[0] + " " + strings.Join(req.Args, " and ")
		if _, loud := req.Flags["loud"]; loud {
			greeting = strings.ToUpper(greeting)
		}
		_, err := fmt.Println(greeting)
		return err
	case "runs count":
		n, err := counted(req.StateDir)
		if err == nil {
			_, err = fmt.Println(n)
		}
		return err
	case "runs about":
		s := req.Session
		_, err := fmt.Printf("%s %s, state %s, directory %s\n",
			s.Run.SessionID, s.End.Reason, s.State, s.Run.Dir)
		return err
	case "ask":
		word, err := req.AskHidden(ctx, "what is the word?")
		if err != nil {
			return &sdk.ExitError{Code: 3, Err: err}
		}
		_, err = fmt.Printf("the word has %d letters\n", len(word.Reveal()))
		return err
	case "show":
		here, err := os.Getwd()
		if err != nil {
			return err
		}
		fmt.Printf("in %s, told %s, nono %s\n", here, req.Dir, req.Core.Version)
		for _, arg := range req.Args {
			fmt.Printf("argument %q\n", arg)
		}
		for _, v := range os.Environ() {
			fmt.Println("variable", v)
		}
		return nil
	}
	return fmt.Errorf("there is no command %q", req.Path)
}

// Plan implements sdk.Layer.
func (*layer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	var s settings
	if err := req.Settings.Decode(&s); err != nil {
		return nil, err
	}
	misbehave.At("plan", s.Misbehave)
	if err := s.askAt(ctx, "plan", req.Session); err != nil {
		return nil, err
	}
	if s.Misbehave == "refuse-plan" {
		return nil, errors.New("the echo layer was told to refuse the plan")
	}
	if s.Misbehave == "refuse-password" {
		return &sdk.PlanResponse{Diagnostics: []sdk.Diagnostic{{
			Severity: sdk.SeverityError, Attribute: "password", Summary: "it is too short",
		}}}, nil
	}
	if s.Misbehave == "stop-plan" {
		if err := req.Session.Stop("the echo layer was told to stop"); err != nil {
			return nil, err
		}
	}
	resp := &sdk.PlanResponse{Secrets: map[string]sdk.Secret{
		token: sdk.NewSecret([]byte(rand.Text())),
	}}
	if s.DialPort < 0 || s.DialPort > 65535 || s.DialPort != float64(int(s.DialPort)) {
		resp.Diagnostics = append(resp.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityError, Attribute: "dial_port",
			Summary: fmt.Sprintf("%v is not a port", s.DialPort),
			Detail:  "give a number from 1 to 65535",
		})
		return resp, nil
	}
	variables := cmp.Or(s.Variables, "ECHO")
	address := fragment.Value{fragment.ListenerAddress(listener)}
	resp.Fragment.Steps = []fragment.Step{
		fragment.Listener{Name: listener, Network: fragment.TCP},
		fragment.Env{Name: variables + "_ADDR", Value: address},
		fragment.Env{Name: variables + "_TOKEN", Value: fragment.Value{fragment.SecretValue(token)}},
	}
	if s.DialPort != 0 {
		dialer := fragment.Dialer{Ports: []uint16{uint16(s.DialPort)}}
		resp.Fragment.Steps = append(resp.Fragment.Steps, dialer)
	}
	if s.FileAt != "" {
		file := fragment.File{Path: s.FileAt, Mode: 0o444, Content: []byte("of the echo layer\n")}
		resp.Fragment.Steps = append(resp.Fragment.Steps, file)
	}
	return resp, req.Session.Event(sdk.Event{
		Name: "echo.planned", Fields: map[string]string{"tier": string(req.Host.Tier)},
	})
}

// Start implements sdk.Starter.
func (*layer) Start(ctx context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	var s settings
	if err := req.Settings.Decode(&s); err != nil {
		return nil, err
	}
	misbehave.At("start", s.Misbehave)
	if err := s.askAt(ctx, "start", req.Session); err != nil {
		return nil, err
	}
	if s.Misbehave == "refuse-start" {
		return nil, errors.New("the echo layer was told to refuse to start")
	}
	if s.Misbehave == "stop-start" {
		if err := req.Session.Stop("the echo layer was told to stop"); err != nil {
			return nil, err
		}
	}
	if err := count(req.StateDir); err != nil {
		return nil, fmt.Errorf("counting the runs: %w", err)
	}
	l, err := req.Listeners[listener].Listener()
	if err != nil {
		return nil, fmt.Errorf("taking the listener: %w", err)
	}
	if s.Misbehave != "unserved" {
		go serve(l, req.Session)
	}
	if s.DialPort != 0 {
		go greet(req.Session, uint16(s.DialPort), s.Greeting)
	}
	go func() {
		time.Sleep(soon)
		misbehave.At("armed", s.Misbehave)
		if err := s.askAt(context.Background(), "armed", req.Session); err != nil {
			sdk.Logger().Error("asking", "error", err)
		}
		if s.Misbehave == "stop-armed" {
			if err := req.Session.Stop("the echo layer was told to stop"); err != nil {
				sdk.Logger().Error("stopping", "error", err)
			}
		}
	}()
	if s.ArmSlowly {
		time.Sleep(slowly)
	}
	// The last thing before it returns: what comes first, this or the agent, is for tests to see.
	armed := map[string]string{
		"address": l.Addr().String(), "at": fmt.Sprint(time.Now().UnixNano()),
	}
	if err := req.Session.Event(sdk.Event{Name: "echo.armed", Fields: armed}); err != nil {
		return nil, err
	}
	return &sdk.StartResponse{State: []byte(req.SessionID)}, nil
}

// Finish implements sdk.Starter. There is nothing to release; it reports whether Start had
// returned.
func (*layer) Finish(ctx context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	var s settings
	if err := req.Settings.Decode(&s); err != nil {
		return nil, err
	}
	misbehave.At("finish", s.Misbehave)
	if err := s.askAt(ctx, "finish", req.Session); err != nil {
		return nil, err
	}
	switch s.Misbehave {
	case "refuse-finish":
		return nil, errors.New("the echo layer was told to refuse to finish")
	case "wait-finish":
		err := req.Session.Event(sdk.Event{Name: "echo.finishing"})
		<-ctx.Done()
		return nil, errors.Join(err, ctx.Err())
	}
	armed := "was not armed"
	if req.State != nil {
		armed = "was armed"
	}
	how := fmt.Sprintf("echo %s; the run ended: %s", armed, req.End.Reason)
	n, err := counted(req.StateDir)
	if err != nil {
		return nil, fmt.Errorf("counting the runs: %w", err)
	}
	err = req.Session.Event(sdk.Event{Name: "echo.finished", Fields: map[string]string{
		"runs": fmt.Sprint(n), "code": fmt.Sprint(req.End.ExitCode),
		"secrets": fmt.Sprint(len(req.Secrets)), "command": req.Command.Args[0],
	}})
	return &sdk.FinishResponse{Lines: []string{how}}, err
}

// runs is the file in the state directory that has a byte for each run that was started.
const runs = "runs"

// count remembers a run.
func count(stateDir string) error {
	path := filepath.Join(stateDir, runs)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(".")
	return errors.Join(err, f.Close())
}

// counted is how many runs were started.
func counted(stateDir string) (int, error) {
	content, err := os.ReadFile(filepath.Join(stateDir, runs))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return len(content), err
}

// askAt asks the user, if this is the moment to, and tells of the answer. That nobody can be asked
// is an answer too.
func (s settings) askAt(ctx context.Context, moment string, session *sdk.Session) error {
	if s.Ask != moment {
		return nil
	}
	answer, err := session.AskHidden(ctx, "what is the\x1b[2J word?")
	said := string(answer.Reveal())
	if errors.Is(err, sdk.ErrNobody) {
		said, err = err.Error(), nil
	}
	if err != nil {
		return err
	}
	return session.Event(sdk.Event{Name: "echo.asked", Fields: map[string]string{"answer": said}})
}

// serve gives each connection back what it sends.
func serve(l net.Listener, session *sdk.Session) {
	for {
		c, err := l.Accept()
		if err != nil {
			sdk.Logger().Error("accepting", "error", err)
			return
		}
		tell(session, "echo.accepted", nil)
		go func() {
			defer func() { _ = c.Close() }()
			n, err := io.Copy(c, c)
			if err != nil {
				sdk.Logger().Warn("echoing", "error", err)
			}
			tell(session, "echo.closed", map[string]string{"bytes": fmt.Sprint(n)})
		}()
	}
}

// tell sends an event from where there is nobody to return an error to.
func tell(session *sdk.Session, name string, fields map[string]string) {
	if err := session.Event(sdk.Event{Name: name, Fields: fields}); err != nil {
		sdk.Logger().Warn("telling", "event", name, "error", err)
	}
}

// greet dials the port inside until the agent serves there, greets, and reports the answer as an
// event.
func greet(session *sdk.Session, port uint16, greeting string) {
	for {
		c, err := session.Dial(context.Background(), port)
		if err != nil {
			sdk.Logger().Debug("dialling", "port", port, "error", err)
			time.Sleep(redial)
			continue
		}
		answer, err := exchange(c, greeting)
		if err != nil {
			sdk.Logger().Warn("greeting", "error", err)
			return
		}
		tell(session, "echo.greeted", map[string]string{"answer": answer})
		return
	}
}

func exchange(c net.Conn, greeting string) (string, error) {
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, greeting+"\n"); err != nil {
		return "", err
	}
	answer := make([]byte, 256)
	n, err := c.Read(answer)
	if err != nil {
		return "", err
	}
	return string(answer[:n]), nil
}

// Interface guards.
var (
	_ sdk.Starter   = (*layer)(nil)
	_ sdk.Commander = (*layer)(nil)
)
