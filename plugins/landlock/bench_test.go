package landlock

import (
	"fmt"
	"testing"

	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/layertest"
)

// BenchmarkPlan is the layer's share of a start, with its way over the contract and back. The time
// for each rule is the same however many there are.
func BenchmarkPlan(b *testing.B) {
	for _, kind := range []string{"read", "deny"} {
		for _, n := range []int{10, 100, 1000, 5000} {
			files, lines := []string{"/home/ada/proj/"}, []string(nil)
			for i := range n {
				dir := fmt.Sprintf("/home/ada/proj/%d", i)
				files, lines = append(files, dir+"/"), append(lines, kind+" "+dir)
			}
			if kind == "deny" {
				lines = append(lines, "allow /home/ada/proj")
			}
			tree := hosttest.New(files...)
			req := request(tree, tree.Policy(lines...), "/home/ada/proj")
			b.Run(fmt.Sprint(kind, "/", n), func(b *testing.B) {
				kit := layertest.New(b, New())
				for b.Loop() {
					if got := len(kit.Plan(req).Coverage); got != len(lines) {
						b.Fatalf("%d answers", got)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/rule")
			})
		}
	}
}
