// Command work does a day's work twice, outside and inside nono, and compares.
//
//	go run ./test/work -nono bin/nono                 # all rows
//	go run ./test/work -nono bin/nono -only git       # the groups or rows that match
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
)

func main() {
	nono := flag.String("nono", "bin/nono", "the nono to try")
	only := flag.String("only", "", "a regular expression: the rows, as GROUP/ROW, to try")
	page := flag.String("page", "", "also write the result to this file, of all rows")
	flag.Parse()
	ok, err := run(*nono, *only, *page)
	if err != nil {
		fmt.Fprintln(os.Stderr, "work:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run tries the rows that match, and reports whether all did as they should.
func run(nono, only, page string) (bool, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	if only != "" && page != "" {
		return false, fmt.Errorf("-only and -page: the page is about all rows")
	}
	if nono, err = filepath.Abs(nono); err != nil {
		return false, err
	}
	if _, err := os.Stat(nono); err != nil {
		return false, fmt.Errorf("there is no nono to try: %w (make build)", err)
	}
	t, err := newTrial(nono)
	if err != nil {
		return false, err
	}
	defer t.close()
	var results []result
	for _, g := range groups {
		for _, r := range g.all() {
			if !match.MatchString(g.name + "/" + r.name) {
				continue
			}
			x, err := t.try(g.name, r)
			if err != nil {
				return false, fmt.Errorf("%s/%s: %w", g.name, r.name, err)
			}
			fmt.Print(x.line())
			results = append(results, x)
		}
	}
	fmt.Print(sum(results))
	if page != "" {
		if err := os.WriteFile(page, []byte(markdown(results)), 0o644); err != nil {
			return false, err
		}
	}
	return allRight(results), nil
}
