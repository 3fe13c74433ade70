// Command kernels boots the kernels that Debian's packages offer and tries nono on each.
//
//	go run ./test/kernels -nono bin                        # the newest of each series
//	go run ./test/kernels -nono bin -only '^6\.1$'         # those whose series matches
//	go run ./test/kernels -nono bin -try ', attack$'       # one thing; what else was found stays
//	go run ./test/kernels -nono bin -page docs/kernels.md
//	go run ./test/kernels -only '^$' -page docs/kernels.md # only writes what was found before
//
// Packages are fetched by apt and unpacked, never installed. A kernel runs in a machine of its own
// under an emulator, with a small Debian in memory and without disk or network; test/kernels/guest
// is its first process, and tells what it finds on a serial line. All that is kept lies beneath
// bin/kernels.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

type options struct {
	nono, in, page string
	only, try      *regexp.Regexp
	accelerator    string
	deadline       time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.nono, "nono", "bin", "the directory of nono's programs")
	flag.StringVar(&o.in, "in", "bin/kernels", "a directory for kernels and for what was found")
	flag.StringVar(&o.page, "page", "", "also write the result to this file")
	flag.StringVar(&o.accelerator, "accel", "tcg", "what the emulator runs the machine with")
	flag.DurationVar(&o.deadline, "deadline", 20*time.Minute, "how long one kernel may take")
	only := flag.String("only", `^[0-9.]+$|^6\.12 `, "a regular expression: the series to boot")
	try := flag.String("try", "",
		"a regular expression: what is tried, as `SITUATION, [as root, ]TRIAL`")
	flag.Parse()
	var err, tryErr error
	o.only, err = regexp.Compile(*only)
	o.try, tryErr = regexp.Compile(*try)
	if err = errors.Join(err, tryErr); err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

// needed are the programs of the machine's own, and the packages of Debian's that have them.
var needed = []struct{ program, from string }{
	{emulator, "qemu-system-x86"}, {"apt-get", "apt"}, {"dpkg-deb", "dpkg"}, {"tar", "tar"},
}

func run(o options) error {
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			return fmt.Errorf("%s is missing: apt-get install --no-install-recommends %s", n.program, n.from)
		}
	}
	a, err := newArchive(filepath.Join(o.in, "apt"))
	if err != nil {
		return err
	}
	all, err := a.kernels()
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(k kernel) bool {
		return !o.only.MatchString(k.Series)
	})
	err = nil
	if len(chosen) > 0 {
		err = tryEach(o, a, chosen)
	}
	if o.page == "" {
		return err
	}
	found, knownErr := known(o.in, all)
	if knownErr != nil {
		return errors.Join(err, knownErr)
	}
	return errors.Join(err, os.WriteFile(o.page, []byte(markdown(all, found)), 0o644))
}

// tryEach boots each of some kernels, whatever became of the one before, and prints what is found.
func tryEach(o options, a *archive, chosen []kernel) error {
	root := filepath.Join(o.in, "root")
	if err := makeRoot(a, root); err != nil {
		return fmt.Errorf("making the host's system: %w", err)
	}
	guest := filepath.Join(o.in, "guest")
	if err := goTool(".", "build", "-trimpath", "-o", guest, "./test/kernels/guest"); err != nil {
		return err
	}
	tests := filepath.Join(o.in, "tests")
	if err := buildTests(tests); err != nil {
		return err
	}
	own, err := ownTests(tests)
	if err != nil {
		return err
	}
	i := image{
		root: root, nono: o.nono, demo: "examples/demo", tests: tests, guest: guest,
		task: task(own, o.try),
	}
	var broken error
	for _, k := range chosen {
		fmt.Printf("%s (%s)\n", k.Series, k.Package)
		f, err := try(o, a, k, i)
		if err != nil {
			f.Broken = err.Error()
		}
		if f.Broken != "" {
			broken = errors.Join(broken, fmt.Errorf("%s: %s", k.Series, f.Broken))
		}
		for _, r := range f.Results {
			fmt.Print(outcomeOf(r).line(r))
		}
	}
	return broken
}

// findingsFile is where what was found of a kernel is kept, in its directory.
const findingsFile = "findings.json"

// known is what was found of kernels, now or earlier, by series.
func known(in string, all []kernel) (map[string]findings, error) {
	found := map[string]findings{}
	for _, k := range all {
		f, err := recall(filepath.Join(in, k.directory()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Series, err)
		}
		if f.Kernel.Package != "" {
			found[k.Series] = f
		}
	}
	return found, nil
}

// recall reads what was found of a kernel; of one that was not booted it is nothing.
func recall(dir string) (findings, error) {
	var f findings
	text, err := os.ReadFile(filepath.Join(dir, findingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
}

// try fetches one kernel, if it was not before, and boots it.
func try(o options, a *archive, k kernel, i image) (findings, error) {
	dir, err := filepath.Abs(filepath.Join(o.in, k.directory()))
	if err != nil {
		return findings{}, err
	}
	vmlinuz, files, err := fetch(a, k, dir)
	if err != nil {
		return findings{}, err
	}
	i.kernel = files
	first := filepath.Join(dir, "image.cpio")
	if err := i.write(first); err != nil {
		return findings{}, err
	}
	defer func() { _ = os.Remove(first) }()
	m := machine{kernel: vmlinuz, image: first, dir: dir, deadline: o.deadline}
	f := m.boot(o.accelerator)
	f.Kernel, f.Day = k, time.Now().UTC().Format(time.DateOnly)
	if earlier, err := recall(dir); err != nil {
		return f, err
	} else if earlier.Kernel.Package == k.Package {
		f.keep(earlier)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return f, err
	}
	return f, os.WriteFile(filepath.Join(dir, findingsFile), text, 0o644)
}

// wanted are the files of a kernel's packages: itself, and the modules that programs without rights
// can have loaded by asking for what is in them.
var wanted = []string{
	"./boot/vmlinuz-*", "*/modules/*/vmlinuz", "*/modules/*/modules.*", "*/modules/*/kernel/net/*",
	"*/modules/*/kernel/crypto/*", "*/modules/*/kernel/lib/*", "*/modules/*/kernel/fs/overlayfs/*",
	"*/modules/*/kernel/fs/fuse/*", "*/modules/*/kernel/drivers/net/tun.*",
}

// fetch unpacks a kernel's files, and returns the path of the kernel itself and where all of them
// are.
func fetch(a *archive, k kernel, dir string) (vmlinuz, to string, err error) {
	to = filepath.Join(dir, k.Package)
	if name := kernelIn(to); name != "" {
		return name, to, nil
	}
	if err := os.RemoveAll(dir); err != nil { // an older one of the series
		return "", "", err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return "", "", err
	}
	parts, err := a.parts(k)
	if err != nil {
		return "", "", err
	}
	if err := a.unpack(to, wanted, parts...); err != nil {
		return "", "", err
	}
	if name := kernelIn(to); name != "" {
		return name, to, nil
	}
	return "", "", fmt.Errorf("there is no kernel in %s", strings.Join(parts, ", "))
}

// kernelIn is the kernel itself; since 7.2 it lies beside its modules.
func kernelIn(dir string) string {
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"} {
		if names, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(names) == 1 {
			return names[0]
		}
	}
	return ""
}
