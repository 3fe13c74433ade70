package kinds

import (
	"fmt"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
)

// Facts go down the rows: a file that trust has verified, a credential that is missing, a proxy.
func TestPlanOrder(t *testing.T) {
	want := "[[trust] [credentials] [network snapshot custom] [filesystem]]"
	if got := fmt.Sprint(PlanOrder()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	last := policy.Kind("")
	for _, row := range PlanOrder() {
		for _, k := range row {
			if Compare(last, k) >= 0 {
				t.Errorf("%s does not come after %s", k, last)
			}
			last = k
		}
	}
}

// Every kind that a layer can be is in the table, with all that its readers ask for.
func TestTable(t *testing.T) {
	layers := []policy.Kind{
		policy.KindFilesystem, policy.KindNetwork, policy.KindCredentials, policy.KindSnapshot,
		policy.KindTrust, policy.KindCustom,
	}
	if len(table) != len(layers) {
		t.Errorf("%d rows for %d kinds", len(table), len(layers))
	}
	for _, name := range layers {
		k, ok := Of(name)
		if !ok || k.row == 0 || (k.Without == "") != (name == policy.KindCustom) {
			t.Errorf("%s: %+v", name, k)
		}
		if IsOwn(string(name)) != (name != policy.KindCustom) {
			t.Errorf("IsOwn(%s) is wrong", name)
		}
	}
	// The base fragment is core's own: no layer can be it.
	for _, name := range []policy.Kind{policy.KindBase, "", "echo"} {
		if _, ok := Of(name); ok {
			t.Errorf("%q is a kind of layer", name)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	k, _ := Of(policy.KindFilesystem)
	if k.BuiltIn("linux") != "landlock" || k.BuiltIn("plan9") != "" {
		t.Errorf("%+v", k)
	}
	if k, _ := Of(policy.KindNetwork); k.BuiltIn("linux") != "netfilter" || k.Always {
		t.Errorf("%+v", k)
	}
	if k, _ := Of(policy.KindTrust); k.BuiltIn("linux") != "trust" || k.Always {
		t.Errorf("%+v", k)
	}
	if k, _ := Of(policy.KindSnapshot); k.BuiltIn("linux") != "snapshot" || k.Always {
		t.Errorf("%+v", k)
	}
}
