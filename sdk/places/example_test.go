package places_test

import (
	"fmt"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// A project is granted, and something in it denied. Of the host only the project is there; home and
// temporary directories are the session's own.
func Example() {
	directory := func(access policy.Access, path string) policy.PathRule {
		source := policy.Source{Origin: policy.OriginFlag, Flag: "--" + string(access)}
		return policy.PathRule{Access: access, Path: path, Type: policy.Directory, Source: source}
	}
	p := policy.Policy{Filesystem: []policy.PathRule{
		directory(policy.Allow, "/home/ada/proj"), directory(policy.Deny, "/home/ada/proj/keys"),
	}}
	look := func(string) (hostfile.Entry, error) { // a host that has nothing but directories
		return hostfile.Entry{Type: policy.Directory, Device: 1, Inode: 1}, nil
	}
	view, problems := places.Compute(places.Input{
		Policy: &p, Home: "/home/ada", Dir: "/home/ada/proj", Look: look,
		Lookup: func(string) (string, bool) { return "", false },
	})
	for _, place := range view.Places {
		switch place.Shows {
		case places.Host:
			fmt.Printf("%s: bind it, writable: %t\n", place.Path, place.Rights.Write)
		case places.Private:
			fmt.Printf("%s: an empty directory, %v\n", place.Path, place.Mode)
		case places.Hidden:
			fmt.Printf("%s: a stand-in without rights\n", place.Path)
		case places.Empty:
			fmt.Printf("%s: an empty directory that cannot be written\n", place.Path)
		}
	}
	fmt.Println(len(problems), "problems")
	// Output:
	// /home/ada: an empty directory, -rwx------
	// /home/ada/proj: bind it, writable: true
	// /home/ada/proj/keys: a stand-in without rights
	// /tmp: an empty directory, trwxrwxrwx
	// /var/tmp: an empty directory, trwxrwxrwx
	// 0 problems
}
