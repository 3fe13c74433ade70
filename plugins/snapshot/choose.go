//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/restore"
	"github.com/nono-run/nono/plugins/snapshot/show"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// item is one line of the list that is chosen from.
type item struct {
	root    int
	path    string
	change  rooted
	isGit   bool
	says    string
	visible string
}

// choose lets the user pick paths from a list, and differences in them.
func (c *command) choose(ctx context.Context) ([]*restore.Plan, error) {
	changes, err := c.changed(ctx)
	if err != nil {
		return nil, err
	}
	items := itemsOf(changes)
	if len(items) == 0 {
		return nil, nil
	}
	for i, it := range items {
		fmt.Fprintf(os.Stdout, "%4d  %-10s %s\n", i+1, it.says, policy.Printable(it.visible))
	}
	picked, err := c.pick(ctx, len(items))
	if err != nil {
		return nil, err
	}
	paths := map[int][]string{}
	contents := map[int]map[string][]byte{}
	for _, n := range picked {
		it := items[n.index]
		if !n.hunks {
			paths[it.root] = append(paths[it.root], it.path)
			if it.change.Change != nil && it.change.From != "" {
				paths[it.root] = append(paths[it.root], it.change.From)
			}
			continue
		}
		text, some, err := c.chooseHunks(ctx, it)
		if err != nil {
			return nil, err
		}
		if some {
			if contents[it.root] == nil {
				contents[it.root] = map[string][]byte{}
			}
			contents[it.root][it.path] = []byte(text)
		}
	}
	var plans []*restore.Plan
	for i := range c.of.Roots {
		if len(paths[i]) == 0 && len(contents[i]) == 0 {
			continue
		}
		req := c.request(i)
		req.Paths, req.Contents = paths[i], contents[i]
		p, err := c.make(ctx, req)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// itemsOf are what can be chosen: paths, and git directories as a whole.
func itemsOf(changes []rooted) []item {
	shown, units := withoutGit(changes)
	var items []item
	for _, u := range units {
		items = append(items, item{
			root: u.root, path: u.path, isGit: true, says: "git", visible: u.name,
		})
	}
	for _, change := range shown {
		visible := change.Name
		if change.From != "" {
			visible = change.OldName + " -> " + change.Name
		}
		items = append(items, item{
			root: change.root, path: change.Path, change: change, says: show.Kind(change.Change),
			visible: visible,
		})
	}
	return items
}

// picked is a number of the list, and whether differences in it are to be chosen.
type picked struct {
	index int
	hunks bool
}

func (c *command) pick(ctx context.Context, n int) ([]picked, error) {
	for {
		answer, err := c.Ask(ctx,
			"Which to put back? (1 3-5, * for all, 2h to choose differences in 2; nothing ends)")
		if errors.Is(err, sdk.ErrNobody) {
			return nil, errors.New("choosing needs a terminal; name the paths instead")
		}
		if err != nil {
			return nil, err
		}
		all, err := parsePicked(answer, n)
		if err == nil {
			return all, nil
		}
		say("%v", err)
	}
}

// parsePicked reads "1 3-5 2h".
func parsePicked(answer string, n int) ([]picked, error) {
	var all []picked
	seen := map[int]bool{}
	add := func(first, last int, hunks bool) error {
		if first < 1 || last > n || first > last {
			return fmt.Errorf("there are the numbers 1 to %d", n)
		}
		for i := first; i <= last; i++ {
			if !seen[i] {
				seen[i] = true
				all = append(all, picked{i - 1, hunks})
			}
		}
		return nil
	}
	for _, word := range strings.Fields(strings.ReplaceAll(answer, ",", " ")) {
		if word == "*" {
			if err := add(1, n, false); err != nil {
				return nil, err
			}
			continue
		}
		number, hunks := strings.CutSuffix(word, "h")
		from, to, isRange := strings.Cut(number, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no number of the list", policy.Printable(word))
		}
		if err := add(first, last, hunks); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// chooseHunks goes through the differences of a text and asks about each. It returns the text
// without those that are taken back.
func (c *command) chooseHunks(ctx context.Context, it item) (string, bool, error) {
	change := it.change.Change
	p := &show.Printer{
		To: os.Stdout, Open: c.open, Escape: true,
		Colour: lookup("NO_COLOR") == "" && term.IsTerminal(int(os.Stdout.Fd())),
	}
	if it.isGit || change.From != "" || change.Kind() != compare.Changed ||
		change.Before.Type != tree.File || change.After.Type != tree.File {
		return "", false, fmt.Errorf("%s has no differences to choose from: choose all of it",
			policy.Printable(it.visible))
	}
	before, isText, err := p.Text(change.Before)
	if err != nil {
		return "", false, err
	}
	after, isTextNow, err := p.Text(change.After)
	if err != nil {
		return "", false, err
	}
	if !isText || !isTextNow {
		return "", false, fmt.Errorf("%s is no text, or a very long one: choose all of it",
			policy.Printable(it.visible))
	}
	hunks, err := show.Hunks(before, after)
	if err != nil {
		return "", false, err
	}
	var back []show.Hunk
	for i, h := range hunks {
		if err := p.Hunk(h); err != nil {
			return "", false, err
		}
		answer, err := c.Ask(ctx, fmt.Sprintf("Take this back? %d of %d in %s [y/N]", i+1, len(hunks),
			policy.Printable(it.visible)))
		if err != nil {
			return "", false, err
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
			back = append(back, h)
		}
	}
	text, err := show.TakeBack(after, back)
	return text, len(back) > 0, err
}
