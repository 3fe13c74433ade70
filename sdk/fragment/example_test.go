package fragment_test

import (
	"encoding/json"
	"fmt"

	"github.com/nono-run/nono/sdk/fragment"
)

// A layer with a proxy of its own tells the agent where that listens. The port is picked by core.
func Example() {
	f := fragment.Fragment{Steps: []fragment.Step{
		fragment.Listener{Name: "acme", Network: fragment.TCP},
		fragment.Env{Name: "ACME_URL", Value: fragment.Value{
			fragment.Literal("http://"), fragment.ListenerAddress("acme"), fragment.Literal("/v1"),
		}},
	}}
	for _, step := range f.Steps {
		if err := fragment.Check(step); err != nil {
			fmt.Println(err)
		}
	}
	text, err := json.Marshal(fragment.List(f.Steps))
	fmt.Println(string(text), err)
	// Output:
	// [{"listener":{"rule":"","name":"acme","network":"tcp"}},{"env":{"rule":"","name":"ACME_URL","value":[{"literal":"http://"},{"listener":"acme"},{"literal":"/v1"}]}}] <nil>
}
