//go:build linux

package main

import "fmt"

// projects are those in which a start is measured. Nono looks for the repositories in them that git
// would enter, before the command runs and after.
var projects = []struct {
	name               string
	directories, files int // files in each
}{
	{"nothing", 0, 0},
	{"200 directories, 2,000 files", 200, 10},
	{"1,000 directories, 100,000 files", 1000, 100},
	{"10,000 directories, 50,000 files", 10_000, 5},
}

// inProjects measures nono in each of them.
func inProjects(nono string, at place, n int) ([]result, error) {
	var sandboxes []sandbox
	for i, p := range projects {
		u, err := newUser(nono, at, fmt.Sprintf("project-%d", i))
		if err != nil {
			return nil, err
		}
		if err := u.fills(p.directories, p.files); err != nil {
			return nil, err
		}
		s := nonoRun(nono, p.name, nil, "--allow-cwd")
		s.dir, s.env = u.project, u.environ()
		sandboxes = append(sandboxes, s)
	}
	return measure(sandboxes, at.work, n, 1)
}

// fills makes so many directories of so many files in the project, a hundred beside each other.
func (u user) fills(directories, files int) error {
	for d := range directories {
		for f := range files {
			if err := u.write(fmt.Sprintf("src-%02d/%02d/%02d.c", d/100, d%100, f), ""); err != nil {
				return err
			}
		}
	}
	return nil
}
