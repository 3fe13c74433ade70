package bytejson_test

import (
	"fmt"

	"github.com/nono-run/nono/sdk/bytejson"
)

func Example() {
	data, err := bytejson.Marshal([]string{"/home/ada/caf\xe9"})
	fmt.Printf("%+q %v\n", data, err)
	var paths []string
	err = bytejson.Unmarshal(data, &paths)
	fmt.Printf("%q %v\n", paths, err)
	// Output:
	// "[\"/home/ada/caf\uefe9\"]" <nil>
	// ["/home/ada/caf\xe9"] <nil>
}
