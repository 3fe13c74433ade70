package places_test

import (
	"fmt"
	"testing"

	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
)

// The time for each rule is the same however many there are.
func BenchmarkCompute(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000, 20000} {
		for name, write := range map[string]func(i int) (file, rule string){
			"grants": func(i int) (string, string) {
				dir := fmt.Sprintf("/srv/data/%d/", i)
				return dir, "read " + dir[:len(dir)-1]
			},
			"denials": func(i int) (string, string) {
				file := fmt.Sprintf("/home/ada/proj/dir%d/secret", i)
				return file, "deny " + file
			},
			"protections": func(i int) (string, string) {
				file := fmt.Sprintf("/home/ada/proj/%d", i)
				return file, "protect " + file
			},
		} {
			files, rules := []string{"/home/ada/proj/"}, []string{"allow /home/ada/proj"}
			for i := range n {
				file, rule := write(i)
				files, rules = append(files, file), append(rules, rule)
			}
			in := ada(hosttest.New(files...), rules...)
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				for b.Loop() {
					places.Compute(in)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/rule")
			})
		}
	}
}
