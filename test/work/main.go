// Command work does a day's work twice, outside and inside nono, and compares.
//
//	go run ./test/work -nono bin/nono                 # all rows
//	go run ./test/work -nono bin/nono -only git       # the groups or rows that match
//	go run ./test/work -nono bin/nono -tier B         # where no namespaces can be made
//	go run ./test/work -nono bin/nono -page docs/work.md
//
// The table is in one file for each kind of work (git.go, python.go ...): a row is a command line,
// as a person types it. Each time it gets a new home with a new project in it, at the same path
// outside and inside. What is compared is the exit code, what was printed, and which files are
// there afterwards. A row that is meant to differ says what happens inside and why, and then fails
// where it does not differ.
//
// What a machine lacks is not compared, and is listed: it never counts as the same.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/nono-run/nono/test/hosts"
)

func main() {
	hosts.Arrange()
	nono := flag.String("nono", "bin/nono", "the nono to try")
	only := flag.String("only", "", "a regular expression: the rows, as GROUP/ROW, to try")
	in := flag.String("tier", "", "A or B: try the rows in this tier alone")
	page := flag.String("page", "", "also write the result to this file, of all rows in both tiers")
	flag.Parse()
	ok, err := run(*nono, *only, tier(*in), *page)
	if err != nil {
		fmt.Fprintln(os.Stderr, "work:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run tries the rows that match, and reports whether all did as they should.
func run(nono, only string, in tier, page string) (bool, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	tiers := tiers
	if in != "" {
		if !slices.Contains(tiers, in) {
			return false, fmt.Errorf("-tier: %q is none", in)
		}
		tiers = []tier{in}
	}
	if page != "" && (only != "" || in != "") {
		return false, fmt.Errorf("-page: it is about all rows in both tiers")
	}
	if nono, err = filepath.Abs(nono); err != nil {
		return false, err
	}
	if _, err := os.Stat(nono); err != nil {
		return false, fmt.Errorf("there is no nono to try: %w (make build)", err)
	}
	var results []result
	for _, in := range tiers {
		of, err := tryAll(nono, in, match)
		if err != nil {
			return false, err
		}
		fmt.Printf("tier %s: %s", in, sum(of))
		results = append(results, of...)
	}
	if page != "" {
		if err := os.WriteFile(page, []byte(markdown(results)), 0o644); err != nil {
			return false, err
		}
	}
	return allRight(results), nil
}

// tryAll tries the rows that match in one tier.
func tryAll(nono string, in tier, match *regexp.Regexp) ([]result, error) {
	t, err := newTrial(nono, in)
	if err != nil {
		return nil, err
	}
	defer t.close()
	var results []result
	for _, g := range groups {
		for _, r := range g.all() {
			if !match.MatchString(g.name + "/" + r.name) {
				continue
			}
			x, err := t.try(g.name, r)
			if err == nil && x.outside.late { // the machine had something else to do
				x, err = t.try(g.name, r)
			}
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %w", g.name, r.name, err)
			}
			fmt.Print(x.line())
			results = append(results, x)
		}
	}
	return results, nil
}
