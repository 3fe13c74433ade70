package places_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
)

// adaB is ada on a host where rights can only be added.
func adaB(tree hosttest.Tree, rules ...string) places.Input {
	in := ada(tree, rules...)
	in.Additive = &places.Additive{
		List: tree.List, Hidden: []string{"/home/ada/.config/nono"}, Fixed: []string{"/opt/nono/bin"},
	}
	return in
}

// given writes each place of an additive view in a line.
func given(v places.View) []string {
	var lines []string
	for _, p := range v.Places {
		words := ""
		for _, has := range []struct {
			it   bool
			word string
		}{
			{p.List, "l"}, {p.Rights.Read, "r"}, {p.Rights.Write, "w"}, {p.Rights.Execute, "x"}, {p.Devices, "d"},
		} {
			if has.it {
				words += has.word
			}
		}
		line := fmt.Sprintf("%s %s", words, p.Path)
		if p.Shows != places.Host {
			line = string(p.Shows) + " " + line
		}
		if p.Rule != "" {
			line += " (" + string(p.Rule) + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAdditive(t *testing.T) {
	tree := hosttest.New(
		"/usr/bin/ls", "/usr/lib/", "/usr/local/etc/key", "/usr/local/bin/", "/usr/share",
		"/bin -> usr/bin", "/dev/null!", "/dev/kvm!", "/dev/shm/", "/proc/1/", "/tmp/nono-s/",
		"/opt/nono/bin/nono", "/opt/other/", "/etc/hosts",
		"/home/ada/.ssh/id", "/home/ada/.netrc", "/home/ada/.config/app/a", "/home/ada/.config/nono/config.hcl",
		"/home/ada/proj/.git/hooks/", "/home/ada/proj/.git/config", "/home/ada/proj/.env", "/home/ada/proj/main.go",
		"/home/ada/proj/src/a", "/home/ada/proj/src/key/k", "/home/ada/proj/deploy/d", "/home/ada/proj/ln -> /home/ada/.ssh",
	)
	tests := []struct {
		name     string
		rules    []string
		want     []string
		problems []string // a part of each that is fatal
		stands   string   // how the rules stand, where it matters
	}{
		{name: "an empty policy gives nothing"},
		{
			name:  "each grant is a place, and what a grant above gives is not given again",
			rules: []string{"read /usr/lib", "allow /home/ada/proj", "write /home/ada/proj/src", "read /etc/hosts"},
			want:  []string{"rx /etc/hosts (read.3)", "rwx /home/ada/proj (allow.1)", "rx /usr/lib (read.0)"},
		},
		{
			name:  "nested grants add",
			rules: []string{"read /home/ada/proj", "write /home/ada/proj/src", "write /home/ada/.config/app", "read /home/ada/.config/app"},
			want:  []string{"rwx /home/ada/.config/app (write.2)", "rx /home/ada/proj (read.0)", "rwx /home/ada/proj/src (write.1)"},
		},
		{
			name:  "a directory that is denied in a grant for reading: what lies beside it, and no listing on the way",
			rules: []string{"default read /usr", "default deny /usr/local/etc"},
			want: []string{
				"rx /usr/bin (read.0)", "rx /usr/lib (read.0)", "rx /usr/local/bin (read.0)", "rx /usr/share (read.0)",
			},
			stands: "shown opened=/usr/local/etc unlisted, spared",
		},
		{
			name:  "a file that is denied: the directory may be listed",
			rules: []string{"read /home/ada/proj", "deny /home/ada/proj/.env"},
			want: []string{
				"l /home/ada/proj (read.0)", "rx /home/ada/proj/.git (read.0)", "rx /home/ada/proj/deploy (read.0)",
				"rx /home/ada/proj/main.go (read.0)", "rx /home/ada/proj/src (read.0)",
			},
			stands: "shown opened=/home/ada/proj/.env, spared",
		},
		{
			name:  "a grant for writing with something denied in it is refused, with what to grant instead",
			rules: []string{"allow /home/ada/proj", "deny /home/ada/proj/src/key"},
			want: []string{
				"rwx /home/ada/proj/.env (allow.0)", "rwx /home/ada/proj/.git (allow.0)", "rwx /home/ada/proj/deploy (allow.0)",
				"rwx /home/ada/proj/main.go (allow.0)", "rwx /home/ada/proj/src/a (allow.0)",
			},
			problems: []string{"/home/ada/proj/src/key inside it is denied by agent.hcl:2:1"},
			stands:   "shown opened=/home/ada/proj/src/key unlisted, spared",
		},
		{
			name:  "what the user protects is given for reading",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj/deploy"},
			want: []string{
				"rx /home/ada/proj (allow.0)", "rwx /home/ada/proj/.env (allow.0)", "rwx /home/ada/proj/.git (allow.0)",
				"rwx /home/ada/proj/main.go (allow.0)", "rwx /home/ada/proj/src (allow.0)",
			},
			problems: []string{"/home/ada/proj/deploy inside it is protected by agent.hcl:2:1"},
			stands:   "shown opened=/home/ada/proj/deploy, read-only",
		},
		{
			name:   "what nono protects is not held in a grant for writing, and is in one for reading",
			rules:  []string{"allow /home/ada/proj", "default protect /home/ada/proj/.git/hooks", "read /usr", "default protect /usr/bin"},
			want:   []string{"rwx /home/ada/proj (allow.0)", "rx /usr (read.2)"},
			stands: "shown, aside, shown, read-only",
		},
		{
			name:   "what is missing, and a denial where nothing is granted",
			rules:  []string{"allow /home/ada/proj", "deny /home/ada/proj/none", "read /nowhere", "default deny /home/ada/.ssh", "protect /etc/hosts"},
			want:   []string{"rwx /home/ada/proj (allow.0)"},
			stands: "shown, absent, absent, unseen, unseen",
		},
		{
			name:  "nono's own is given to nobody, and a grant of it is refused",
			rules: []string{"read /home/ada/.config", "read /home/ada/.config/nono"},
			want:  []string{"rx /home/ada/.config/app (read.0)"}, problems: []string{"cannot grant /home/ada/.config/nono"},
		},
		{
			name:  "nono's programs are not written, and may be read",
			rules: []string{"read /opt"},
			want:  []string{"rx /opt (read.0)"},
		},
		{
			name:  "nor by a grant for writing",
			rules: []string{"allow /opt"},
			want:  []string{"rx /opt (allow.0)", "rwx /opt/other (allow.0)"}, problems: []string{"/opt/nono/bin inside it is kept from every agent"},
		},
		{
			name:  "with all of the host, neither /proc nor /dev, and the home without what is denied",
			rules: []string{"read /", "default deny /home/ada/.ssh", "default deny /home/ada/.netrc", "read /dev/kvm"},
			want: []string{
				"rxd /dev/kvm (read.3)", "rx /etc (read.0)", "rx /home/ada/.config/app (read.0)", "rx /home/ada/proj (read.0)",
				"rx /opt (read.0)", "rx /tmp (read.0)", "rx /usr (read.0)",
			},
		},
		{
			name:   "shared memory is a directory like another, for whoever is granted it",
			rules:  []string{"allow /dev/shm"},
			want:   []string{"rwx /dev/shm (allow.0)"},
			stands: "shown",
		},
		{
			name:  "what was lifted out of a denial comes back alone",
			rules: []string{"read /home/ada/proj", "deny /home/ada/proj/src but /home/ada/proj/src/a"},
			want: []string{
				"rx /home/ada/proj/.env (read.0)", "rx /home/ada/proj/.git (read.0)", "rx /home/ada/proj/deploy (read.0)",
				"rx /home/ada/proj/main.go (read.0)", "rx /home/ada/proj/src/a (read.0)",
			},
		},
		{
			name: "starting in what is denied", rules: []string{"read /home/ada", "deny /home/ada/proj"},
			want: []string{"rx /home/ada/.config/app (read.0)", "rx /home/ada/.netrc (read.0)", "rx /home/ada/.ssh (read.0)"}, problems: []string{"cannot start in /home/ada/proj"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			view, problems := places.Compute(adaB(tree, test.rules...))
			if d := cmp.Diff(test.want, given(view)); d != "" {
				t.Errorf("places (-want +got):\n%s", d)
			}
			if !view.Additive || len(view.Links) > 0 {
				t.Errorf("additive: %v, links: %v", view.Additive, view.Links)
			}
			checkFatal(t, problems, test.problems)
			if got := stands(view.Rules); test.stands != "" && got != test.stands {
				t.Errorf("rules stand %q, want %q", got, test.stands)
			}
		})
	}
}

func stands(rules []places.Rule) string {
	words := make([]string, len(rules))
	for i, r := range rules {
		words[i] = string(r.Is)
		if r.Opened != "" {
			words[i] += " opened=" + r.Opened
		}
		if r.Unlisted {
			words[i] += " unlisted"
		}
	}
	return strings.Join(words, ", ")
}

func checkFatal(t *testing.T, problems []places.Problem, want []string) {
	t.Helper()
	var fatal []string
	for _, p := range problems {
		if p.Fatal {
			fatal = append(fatal, p.Summary)
		}
	}
	for i := range max(len(fatal), len(want)) {
		if i >= len(fatal) || i >= len(want) || !strings.Contains(fatal[i], want[i]) {
			t.Errorf("problems %q, want %q", fatal, want)
			return
		}
	}
}

// What to write instead is in the refusal, and it yields where the user gives the promise up.
func TestRefusalAdvises(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/.env", "/home/ada/proj/src/", "/home/ada/proj/doc/", "/home/ada/proj/main.go")
	_, problems := places.Compute(adaB(tree, "allow /home/ada/proj", "deny /home/ada/proj/.env"))
	if len(problems) != 1 || !problems[0].Fatal || !problems[0].Yields || problems[0].Rule != "allow.0" {
		t.Fatalf("%+v", problems)
	}
	for _, want := range []string{"/home/ada/proj/doc, /home/ada/proj/src", "best_effort = true"} {
		if !strings.Contains(problems[0].Detail, want) {
			t.Errorf("%q does not say %q", problems[0].Detail, want)
		}
	}
}

// A rule binds to the file: another name of what is denied, beside it, would open both.
func TestAdditiveOtherNames(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/.env *2", "/home/ada/proj/copy *2", "/home/ada/proj/main.go")
	copied := tree["/home/ada/proj/copy"]
	copied.Inode = tree["/home/ada/proj/.env"].Inode
	tree["/home/ada/proj/copy"] = copied
	view, problems := places.Compute(adaB(tree, "read /home/ada/proj", "deny /home/ada/proj/.env"))
	want := []string{"l /home/ada/proj (read.0)", "rx /home/ada/proj/main.go (read.0)"}
	if d := cmp.Diff(want, given(view)); d != "" {
		t.Errorf("places (-want +got):\n%s", d)
	}
	if len(problems) != 1 || problems[0].Fatal || !strings.Contains(problems[0].Summary, "another name") {
		t.Errorf("%+v, want a warning of the other name", problems)
	}
}

// nono's own that is not there yet must not be made by the agent: so the nearest directory above
// it that is there cannot be given for writing.
func TestAdditiveMissingOwn(t *testing.T) {
	tree := hosttest.New("/home/ada/.config/app/")
	view, problems := places.Compute(adaB(tree, "allow /home/ada/.config"))
	if d := cmp.Diff([]string{"rwx /home/ada/.config/app (allow.0)"}, given(view)); d != "" {
		t.Errorf("places (-want +got):\n%s", d)
	}
	checkFatal(t, problems, []string{"/home/ada/.config/nono inside it is kept from every agent"})
}

// Whoever replaces a link to what is nono's own has replaced what it leads to.
func TestAdditiveLinkToOwn(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/etc/", "/home/ada/.config/nono -> ../proj/etc", "/home/ada/.config/app/", "/home/ada/proj/src/")
	_, problems := places.Compute(adaB(tree, "allow /home/ada/.config", "allow /home/ada/proj"))
	checkFatal(t, problems, []string{"/home/ada/.config/nono inside it", "/home/ada/proj/etc inside it"})
}

// How many names are granted by name is bounded, and the line that needs them is named.
func TestAdditiveIsBounded(t *testing.T) {
	files := []string{"/home/ada/proj/.env"}
	for i := range places.MostOpened {
		files = append(files, fmt.Sprintf("/home/ada/proj/f%d", i))
	}
	_, problems := places.Compute(adaB(hosttest.New(files...), "read /home/ada/proj", "deny /home/ada/proj/.env"))
	checkFatal(t, problems, []string{"/home/ada/proj cannot be granted without /home/ada/proj/.env"})
	if problems[0].Rule != "read.0" {
		t.Errorf("%+v names another line", problems[0])
	}
}

// What core decides about for each session is not granted, and that is told as it is in tier B.
func TestAdditiveWhatIsCores(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/", "/dev/pts/")
	_, problems := places.Compute(adaB(tree, "allow /home/ada/proj", "allow /dev/pts"))
	if len(problems) != 1 || !strings.Contains(problems[0].Summary, "/dev/pts is the host's own in tier B") {
		t.Errorf("%+v", problems)
	}
}

// What cannot be listed gives nothing that it holds, and that is told.
func TestAdditiveClosed(t *testing.T) {
	tree := hosttest.New("/srv/a/secret", "/srv/a/other")
	in := adaB(tree, "read /srv", "deny /srv/a/secret")
	in.Additive.List = func(string, int) ([]string, error) { return nil, fmt.Errorf("no") }
	view, problems := places.Compute(in)
	if d := cmp.Diff([]string{"l /srv (read.0)"}, given(view)); d != "" {
		t.Errorf("places (-want +got):\n%s", d)
	}
	if len(problems) != 1 || problems[0].Fatal || !strings.Contains(problems[0].Summary, "/srv beside /srv/a/secret") {
		t.Errorf("%+v", problems)
	}
}
