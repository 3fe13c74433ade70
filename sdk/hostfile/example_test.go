package hostfile_test

import (
	"fmt"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// With [hostfile.Host] as look it is the machine's own files that are followed.
func ExampleFollow() {
	look := func(path string) (hostfile.Entry, error) {
		if path == "/home/ada/.ssh" {
			return hostfile.Entry{Type: policy.Special, Target: "../shared/keys"}, nil
		}
		return hostfile.Entry{Type: policy.Directory}, nil
	}
	route, err := hostfile.Follow(hostfile.Once(look), "/home/ada/.ssh")
	if err != nil {
		fmt.Println("the host does not let us look, or the links go in a circle:", err)
		return
	}
	fmt.Println(route.Path, "is a", route.Entry.Type)
	for _, hop := range route.Hops {
		fmt.Println("who replaces", hop.Path, "leads the name elsewhere")
	}
	// Output:
	// /home/shared/keys is a directory
	// who replaces /home leads the name elsewhere
	// who replaces /home/ada leads the name elsewhere
	// who replaces /home/ada/.ssh leads the name elsewhere
	// who replaces /home/shared leads the name elsewhere
	// who replaces /home/shared/keys leads the name elsewhere
}
