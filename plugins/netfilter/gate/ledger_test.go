package gate_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
)

// A decision is told at once, and when it is made again it is counted: none is lost, and a busy
// agent makes few events.
func TestDecisionsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []sdk.Event
		g := gate.New(&rules, nil, &egress.Dialer{}, func(e sdk.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e)
		})
		heard := func() []sdk.Event {
			mu.Lock()
			defer mu.Unlock()
			return told
		}
		evil := gate.Target{Name: "evil.example", Port: 443}
		for range 100 {
			_, _ = g.Admit(evil)
		}
		if told := heard(); len(told) != 1 {
			t.Fatalf("told were %v", told)
		}
		time.Sleep(1100 * time.Millisecond)
		if told := heard(); len(told) != 2 || told[1].Count != 99 || told[1].Fields["host"] != "evil.example" {
			t.Errorf("told were %v", told)
		}
		_, _ = g.Admit(evil)
		g.Flush() // as at the end of a session
		if told := heard(); len(told) != 3 || told[2].Count != 1 {
			t.Errorf("told were %v", told)
		}
		time.Sleep(5 * time.Second)
		_, _ = g.Admit(evil)
		if told := heard(); len(told) != 4 {
			t.Errorf("after a while it is no news: %v", told)
		}
		before := len(heard())
		for i := range 5000 {
			_, _ = g.Admit(gate.Target{Name: fmt.Sprintf("evil%d.example", i), Port: 443})
		}
		if n := len(heard()) - before; n != 5000 {
			t.Errorf("%d of 5000 different decisions were told", n)
		}
	})
}
