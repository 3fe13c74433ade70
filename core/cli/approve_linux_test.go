package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/approval"
	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/sdk/policy"
)

// A question that would scroll away is not asked: `nono approve` shows all there is.
func TestQuestionsHaveASize(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal can be made: ", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal can be opened: ", err)
	}
	defer slave.Close()
	a := &App{Stdin: slave, Stderr: slave, Lookup: func(string) (string, bool) { return "", false }}
	confirm := a.confirm(approval.Memory{Dir: t.TempDir()})
	if confirm == nil {
		t.Fatal("nobody is asked at a terminal")
	}
	// A question that is asked has no answer here, and ends when the terminal goes.
	tooLong := time.AfterFunc(10*time.Second, func() { _ = master.Close() })
	defer tooLong.Stop()
	far := policy.Source{Origin: policy.OriginFile, File: strings.Repeat("x", mostCharacters), Line: 1}
	for name, q := range map[string]config.Request{
		"many":  {File: "agent.hcl", Asks: make([]config.Ask, mostAsked+1), New: make([]bool, mostAsked+1)},
		"far":   {File: "agent.hcl", Asks: []config.Ask{{Says: "to read ~", Source: far}}, New: []bool{true}},
		"large": {File: "agent.hcl", Asks: []config.Ask{{Says: strings.Repeat("x", mostCharacters+1)}}, New: []bool{true}},
	} {
		if yes, err := confirm(q); yes || err == nil || !strings.Contains(err.Error(), "more than a question can show") {
			t.Errorf("%s: %v, %v", name, yes, err)
		}
	}
	a.Stdin, err = os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stdin.Close()
	if a.confirm(approval.Memory{}) != nil {
		t.Error("somebody is asked who is not there")
	}
}
