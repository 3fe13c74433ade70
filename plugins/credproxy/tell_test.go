package credproxy

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nono-run/nono/plugins/credproxy/proxy"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// telling is a teller whose events are kept.
func telling() (*teller, func() []sdk.Event) {
	var mu sync.Mutex
	var all []sdk.Event
	t := newTeller(func(e sdk.Event) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, e)
		return nil
	}, []policy.Credential{{ID: "credentials.one", Service: "one"}})
	return t, func() []sdk.Event {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// A request is told at once. Those like it are told together after a second, and none is lost.
func TestToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		teller, told := telling()
		tell := teller.of("credentials.one")
		ask := proxy.Request{Service: "one", Method: "POST", Path: "/x", Status: 200, Sent: 2, Received: 3, Took: time.Minute}
		for range 100 {
			tell(ask)
		}
		if got := told(); len(got) != 1 || got[0].Fields["requests"] != "" || got[0].Fields["received"] != "3" {
			t.Errorf("at once is told %v", got)
		}
		other := ask
		other.Refused, other.Status = "no", 401
		tell(other)
		if got := told(); len(got) != 2 || got[1].Name != eventRefused {
			t.Errorf("another kind: %v", got)
		}
		time.Sleep(together)
		synctest.Wait()
		got := told()
		if len(got) != 3 || got[2].Fields["requests"] != "99" || got[2].Fields["sent"] != "198" || got[2].Fields["took"] != "1m0s" {
			t.Errorf("after a second: %v", got)
		}
		time.Sleep(2 * together)
		synctest.Wait()
		tell(ask) // a first one again
		tell(ask)
		if got := told(); len(got) != 4 {
			t.Errorf("after a pause: %v", got)
		}
		teller.rest()
		if got := told(); len(got) != 5 || got[4].Fields["requests"] != "" {
			t.Errorf("at the end: %v", got)
		}
		if len(teller.kinds) > 0 {
			t.Errorf("left is %v", teller.kinds)
		}
		teller.all()
		want := map[string]string{
			"service": "one", "requests": "103", "refused": "1", "sent": "206", "received": "309",
		}
		if got := told(); len(got) != 6 || got[5].Name != eventTotal || !maps.Equal(got[5].Fields, want) {
			t.Errorf("the total: %v", got)
		}
	})
}

// An agent that makes every request a kind of its own is told of all the same, and takes no memory.
func TestToldOfManyKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		teller, told := telling()
		tell := teller.of("credentials.one")
		for i := range 3 * mostKinds {
			tell(proxy.Request{Path: "/" + strconv.Itoa(i)})
		}
		if n := len(told()); n != 3*mostKinds || len(teller.kinds) > mostKinds {
			t.Errorf("%d are told, %d counted", n, len(teller.kinds))
		}
		many := strings.Repeat("A", 1<<20)
		tell(proxy.Request{Path: "/" + many, Method: many})
		last := told()[len(told())-1].Fields
		if len(last["path"]) > 2*longestTold || len(last["method"]) > 2*longestTold {
			t.Errorf("%d bytes of a path are told, and %d of a method", len(last["path"]), len(last["method"]))
		}
		teller.rest()
		if last := told()[0]; fmt.Sprint(last.Fields["path"]) != "/0" {
			t.Errorf("told: %v", last)
		}
	})
}
