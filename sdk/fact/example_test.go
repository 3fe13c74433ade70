package fact_test

import (
	"fmt"

	"github.com/nono-run/nono/sdk/fact"
)

// A network layer tells of its proxy; a layer that is asked later finds it among its facts.
func Example() {
	facts := []fact.Fact{fact.Proxy{Listener: "proxy", Layer: "acme/egress"}}
	for _, f := range facts {
		if proxy, ok := f.(fact.Proxy); ok {
			fmt.Println("a", f.Kind(), "layer says: my listener", proxy.Listener, "is a proxy")
		}
	}
	// Output: a network layer says: my listener proxy is a proxy
}
