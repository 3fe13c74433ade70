//go:build linux

package main

import "fmt"

// signedFiles are the projects in which a start with signed files is measured.
var signedFiles = []struct {
	name     string
	files    int
	together bool // one signature for all
	others   bool // among 100,000 files that are none of anybody's business
}{
	{name: "none, ever"},
	{name: "1", files: 1},
	{name: "100", files: 100},
	{name: "5,000", files: 5000},
	{name: "5,000, in one signature", files: 5000, together: true},
	{name: "none, ever, in a repository of 100,000 files", others: true},
	{name: "1, in a repository of 100,000 files", files: 1, others: true},
}

// signed measures nono where files are signed, with the filesystem layer alone beside the trust
// layer, and with logs that are not signed.
func signed(nono string, at place, n int) ([]result, error) {
	var sandboxes []sandbox
	for i, p := range signedFiles {
		u, err := newUser(nono, at, fmt.Sprintf("signed-%d", i))
		if err != nil {
			return nil, err
		}
		if err := u.signs(p.files, p.together, p.others); err != nil {
			return nil, err
		}
		s := nonoRun(nono, p.name, nil, "--allow-cwd")
		s.dir, s.env = u.project, u.environ()
		sandboxes = append(sandboxes, s)
	}
	return measure(sandboxes, at.work, n, 1)
}

// signs makes a project of so many files that are signed, and perhaps of others.
func (u user) signs(files int, together, others bool) error {
	if others {
		if err := u.fills(1000, 100); err != nil {
			return err
		}
	}
	if files == 0 {
		return nil
	}
	sign := []string{"trust", "sign"}
	if together {
		sign = append(sign, "--all")
	}
	for i := range files {
		name := fmt.Sprintf(".claude/skills/%02d/%02d.md", i/100, i%100)
		if err := u.write(name, fmt.Sprintf("%02000d\n", i)); err != nil {
			return err
		}
		if !together {
			sign = append(sign, name)
		}
	}
	if err := u.makeKey(); err != nil {
		return err
	}
	if err := u.does(sign...); err != nil {
		return err
	}
	if err := u.losesKey(); err != nil {
		return err
	}
	return u.signsLogs(false)
}
