package record

import (
	"testing"
	"testing/synctest"
)

// While the head is not whole, walkers take only so much of what comes behind it.
func TestHowMuchWaitsForTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := &part{dir: &directory{}}
		o := newOrder(root)
		if o.take() != root {
			t.Fatal("the root is not the first")
		}
		children := make([]*part, 4*mostParts)
		for i := range children {
			children[i] = &part{state: waiting, first: true, dir: &directory{}}
		}
		o.looked(root, children, len(children))

		var got []*part
		go func() {
			for p := o.take(); p != nil; p = o.take() {
				got = append(got, p)
				o.looked(p, nil, 10)
				o.done(p)
			}
		}()
		synctest.Wait()
		if len(got) == 0 || len(got) > mostParts {
			t.Errorf("%d were taken", len(got))
		}
		o.done(root)
		written := 0
		for o.whole() != nil {
			written++
		}
		if written != 1+len(children) {
			t.Errorf("%d were written", written)
		}
		for i, p := range got {
			if p != children[i] {
				t.Fatal("they were not taken in their order")
			}
		}
	})
}
