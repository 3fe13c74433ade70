package metadata_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nono-run/nono/core/launch/metadata"
	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/test/held"
)

// works are a day's work that changes many modes and times, on an archive of this module and a
// repository made of it.
var works = map[string]string{
	"tar":    `tar xf ../a.tar`,
	"cp":     `cp -a ../tree .`,
	"git":    `git clone -q --no-hardlinks ../repository .`,
	"python": `python3 -c 'import shutil; shutil.copytree("../tree", "t")'`,
}

// BenchmarkWork is such a piece of work, answered for by core and not.
func BenchmarkWork(b *testing.B) {
	root := tree(b)
	module, err := filepath.Abs("../../..")
	must(b, err)
	prepare := exec.Command("sh", "-ec", `
		tar cf a.tar --exclude=./bin --exclude=./.git --exclude=node_modules -C "$0" .
		mkdir tree repository
		tar xf a.tar -C tree
		cp -r tree/. repository
		cd repository
		git init -q
		git add -A
		git -c user.name=n -c user.email=n@example.com commit -qm all`, module)
	prepare.Dir = root
	prepare.Stderr = os.Stderr
	must(b, prepare.Run())
	for name, line := range works {
		for by, handlers := range map[string]supervise.Handlers{
			"kernel": nil, "core": metadata.Handlers([]string{filepath.Join(root, "work")}),
		} {
			b.Run(name+"/"+by, func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					work := filepath.Join(root, "work")
					must(b, os.RemoveAll(work))
					must(b, os.Mkdir(work, 0o755))
					b.StartTimer()
					held.Start(b, handlers, work, "sh", "-ec", line).Ends()
				}
			})
		}
	}
}
