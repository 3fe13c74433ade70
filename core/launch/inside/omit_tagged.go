//go:build linux && nono_omit

package inside

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// omitted says which steps this build leaves out: those in the name of the directory that nono-init
// lies in, such as omit-dumpable/nono-init or omit-seccomp+namespaces/nono-init. So one build
// serves every test, with no channel that a normal build would have too.
func omitted(step string) bool { return slices.Contains(omissions(), step) }

var omissions = sync.OnceValue(func() []string {
	exe, err := os.Readlink("/proc/self/exe") // first asked for while the host's /proc is still there
	if err != nil {
		panic(err)
	}
	list, ok := strings.CutPrefix(filepath.Base(filepath.Dir(exe)), "omit-")
	if !ok {
		return nil
	}
	return strings.Split(list, "+")
})
