package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stable is the release that the root is made of.
const stable = "trixie"

// suites are where kernels are looked for, beneath the archives that this machine takes its
// packages from. One that an archive does not have is passed over.
var suites = []string{
	"bullseye", "bullseye-security", "bookworm", "bookworm-security", "bookworm-backports",
	stable, stable + "-security", stable + "-backports", "sid", "experimental",
}

// archive is Debian's, by apt with lists of its own: the machine's are not touched, and nothing is
// installed.
type archive struct {
	dir     string
	options []string
}

// newArchive reads which kernels and other packages there are.
func newArchive(dir string) (*archive, error) {
	dir, err := filepath.Abs(dir) // apt would take it for one beneath its own
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	sources, err := sources()
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(list, []byte(sources), 0o644); err != nil {
		return nil, err
	}
	a := &archive{dir: dir, options: []string{
		"-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		// As root apt would go on as a user who may not write here, and says so.
		"-o", "APT::Sandbox::User=root",
		"-o", "APT::Default-Release=" + stable,
		"-o", "Acquire::Languages=none", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
	}}
	// It fails where one of the archives does not have one of the suites, and then has the others.
	_, err = a.apt("apt-get", "update")
	if entries, _ := os.ReadDir(filepath.Join(dir, "lists")); len(entries) < len(suites) {
		return nil, err
	}
	return a, nil
}

// sources is a sources.list of all suites, from the archives that this machine's own names.
func sources() (string, error) {
	const format = "$(REPO_URI) $(CODENAME) $(SIGNED_BY)"
	out, err := exec.Command(
		"apt-get", "indextargets", "--format", format, "Created-By: Packages", "Origin: Debian",
	).Output()
	if err != nil {
		return "", fmt.Errorf("asking apt where packages come from: %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		uri, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		codename, _, _ := strings.Cut(rest, " ")
		security := strings.HasSuffix(codename, "-security")
		for _, suite := range suites {
			if strings.HasSuffix(suite, "-security") == security {
				lines = append(lines, fmt.Sprintf(
					"deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n",
					uri, suite,
				))
			}
		}
	}
	if lines == nil {
		return "", errors.New("apt knows of no archive of Debian's: is this Debian, " +
			"and was apt-get update done?")
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), ""), nil
}

func (a *archive) apt(program string, args ...string) ([]byte, error) {
	c := exec.Command(program, slices.Concat(a.options, args)...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return out, err
}

// kernel is one that can be had.
type kernel struct {
	// Series is what it is known by, such as 6.12, with its flavour where that is not the usual one.
	Series  string
	Package string
	numbers []int
}

// directory is the name of the one in which all of a kernel's is kept.
func (k kernel) directory() string { return strings.ReplaceAll(k.Series, " ", "-") }

var packageName = regexp.MustCompile(
	`^linux-image-(\d+)\.(\d+)\.(\d[-+.\da-z]*?)-((?:cloud-|rt-)?)amd64$`)

// kernels are the newest of each series and flavour, the oldest series first.
func (a *archive) kernels() ([]kernel, error) {
	out, err := a.apt("apt-cache", "pkgnames", "linux-image-")
	if err != nil {
		return nil, err
	}
	return newest(strings.Fields(string(out))), nil
}

var number = regexp.MustCompile(`\d+`)

func newest(packages []string) []kernel {
	best := map[string]kernel{}
	for _, name := range packages {
		m := packageName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		k := kernel{Series: m[1] + "." + m[2], Package: name}
		if flavour := strings.TrimSuffix(m[4], "-"); flavour != "" {
			k.Series += " " + flavour
		}
		for _, n := range number.FindAllString(m[1]+" "+m[2]+" "+m[3], -1) {
			i, err := strconv.Atoi(n)
			if err != nil {
				break
			}
			k.numbers = append(k.numbers, i)
		}
		if old, ok := best[k.Series]; !ok || slices.Compare(old.numbers, k.numbers) < 0 {
			best[k.Series] = k
		}
	}
	var all []kernel
	for _, k := range best {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b kernel) int {
		return cmp.Or(slices.Compare(a.numbers, b.numbers), cmp.Compare(a.Series, b.Series))
	})
	return all
}

// parts are the packages that a kernel's files are in: itself, or since 7.3 those that it needs.
func (a *archive) parts(k kernel) ([]string, error) {
	out, err := a.apt("apt-cache", "depends", "--important", k.Package)
	if err != nil {
		return nil, err
	}
	parts := []string{k.Package}
	for line := range strings.Lines(string(out)) {
		kind, name, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if kind == "Depends" && (strings.HasPrefix(name, "linux-binary-") ||
			strings.HasPrefix(name, "linux-modules-")) {
			parts = append(parts, name)
		}
	}
	return parts, nil
}

// closure is packages with all that they depend on, less what is skipped.
func (a *archive) closure(skip *regexp.Regexp, packages ...string) ([]string, error) {
	out, err := a.apt("apt-cache", slices.Concat([]string{
		"depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
		"--no-replaces", "--no-enhances",
	}, packages)...)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(out)) {
		// Those that are meant stand at the beginning of a line; what only has a name in <> is virtual.
		name := strings.TrimSpace(line)
		if line[0] != ' ' && line[0] != '<' && !skip.MatchString(name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// unpack writes the files of packages that match one of the patterns beneath a directory, and keeps
// no package.
func (a *archive) unpack(to string, patterns []string, packages ...string) error {
	dir, err := os.MkdirTemp(a.dir, "packages-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c := exec.Command("apt-get", slices.Concat(a.options, []string{"download"}, packages)...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get download %s: %w: %s", strings.Join(packages, " "), err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := extract(file, to, patterns); err != nil {
			return fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// extract writes those files of a package that match a pattern; without one, all.
func extract(file, to string, patterns []string) error {
	content := exec.Command("dpkg-deb", "--fsys-tarfile", file)
	pipe, err := content.StdoutPipe()
	if err != nil {
		return err
	}
	tar := exec.Command("tar", slices.Concat([]string{
		"-x", "-f", "-", "-C", to, "--no-same-owner", "--no-same-permissions",
		"--keep-directory-symlink", "--wildcards", "--wildcards-match-slash",
	}, patterns)...)
	tar.Stdin = pipe
	var said bytes.Buffer
	tar.Stderr = &said
	if err := content.Start(); err != nil {
		return err
	}
	err = tar.Run()
	if err != nil && bytes.Contains(said.Bytes(), []byte("Not found in archive")) {
		err = nil // of several packages one has the kernel and another the modules
	}
	if err != nil {
		err = fmt.Errorf("tar: %w: %s", err, said.Bytes())
	}
	return errors.Join(err, content.Wait())
}
