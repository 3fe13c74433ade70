package why_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

const home = "/home/ada"

// asker asks about a plan of a few rules: its mounts are the places of the view, a mount each, as a
// filesystem layer makes them, and some of core's.
func asker(t *testing.T, tree hosttest.Tree, rules ...string) *why.Asker {
	t.Helper()
	p := tree.Policy(rules...)
	seen, problems := places.Compute(places.Input{
		Policy: p, Home: home, Dir: home + "/proj", Look: tree.Look,
		Lookup: func(string) (string, bool) { return "", false },
	})
	for _, problem := range problems {
		if problem.Fatal {
			t.Fatalf("%+v", problem)
		}
	}
	made := &plan.Plan{Host: sdk.Host{Home: home}}
	for _, r := range p.Filesystem {
		made.Rules = append(made.Rules, plan.Rule{
			ID: r.ID, Says: string(r.Access) + " " + r.Path, Source: r.Source, Access: r.Access, Path: r.Path, Type: r.Type,
		})
	}
	made.Rules = append(made.Rules, plan.Rule{ID: base.RuleSelf, Says: "nono's own files", Source: policy.Source{Origin: policy.OriginBase}})
	put := func(m fragment.Mount, layer string) {
		made.Mounts = append(made.Mounts, view.Mount{Mount: m, Layer: layer})
	}
	put(fragment.Tmpfs{For: base.RuleMounts, Path: "/", Mode: 0o755}, plan.Core)
	put(fragment.Tmpfs{For: base.RuleDevices, Path: "/dev", Mode: 0o755}, plan.Core)
	put(fragment.Bind{For: base.RuleDevices, Path: "/dev/null", Writable: true, Devices: true}, plan.Core)
	put(fragment.Pseudo{For: base.RuleProc, Path: "/proc", Type: fragment.Procfs}, plan.Core)
	for _, s := range seen.Places {
		switch {
		case s.Copy:
			put(fragment.Copy{For: s.Rule, Path: s.Path, NoExec: !s.Rights.Execute}, "fs")
		case s.Shows == places.Host:
			put(fragment.Bind{For: s.Rule, Path: s.Path, Writable: s.Rights.Write, NoExec: !s.Rights.Execute}, "fs")
		case s.Shows == places.Private:
			put(fragment.Tmpfs{For: s.Rule, Path: s.Path, Mode: s.Mode}, "fs")
		case s.Shows == places.Empty:
			put(fragment.Tmpfs{For: s.Rule, Path: s.Path, Mode: 0o555}, "fs")
		default:
			put(fragment.Mask{For: s.Rule, Path: s.Path, Directory: s.Type == policy.Directory, Readable: s.Readable}, "fs")
		}
	}
	for _, l := range seen.Links {
		put(fragment.Link{For: l.Rule, Path: l.Path, Target: l.Target}, "fs")
	}
	// Core's own on top of a grant: a file that decides about the next run.
	put(fragment.Bind{For: base.RuleSelf, Path: home + "/proj/agent.hcl"}, plan.Core)
	slices.SortFunc(made.Mounts, func(a, b view.Mount) int { return view.ComparePaths(a.At(), b.At()) })
	return why.New(made, why.Host{
		Look: tree.Look, Own: []string{home + "/.config/nono"}, Home: home,
		Reach: func(p string) hostfile.Reach {
			return hostfile.Reach{Read: !strings.HasSuffix(p, "unreadable"), Write: !strings.HasSuffix(p, "unreadable"), ReadOnly: strings.HasPrefix(p, "/mnt")}
		},
	})
}

func tree() hosttest.Tree {
	t := hosttest.New(
		"/usr/bin/", "/bin -> usr/bin", "/dev/null!", "/tmp/theirs", "/mnt/cd/file", "/root/ closed", "/root/x",
		"/home/ada/proj/main.go", "/home/ada/proj/agent.hcl", "/home/ada/proj/.env", "/home/ada/proj/.git/hooks/", "/home/ada/proj/dir/deep/",
		"/home/ada/proj/dir/secret", "/home/ada/proj/run.sh", "/home/ada/proj/unreadable", "/home/ada/proj/out -> /data", "/home/ada/data/x",
		"/home/ada/.ssh/id", "/home/ada/.netrc", "/home/ada/set.json", "/data/", "/home/ada/link -> proj", "/home/ada/.config/nono/config.hcl",
	)
	for _, name := range []string{"/home/ada/set.json", "/home/ada/proj/run.sh"} {
		n := t[name]
		n.Ours, n.Executable = true, strings.HasSuffix(name, ".sh")
		t[name] = n
	}
	return t
}

// show is an answer in a line.
func show(a why.Answer) string {
	verdict := map[bool]string{true: "yes", false: "no"}[a.Allowed]
	line := fmt.Sprintf("%s (%s): %s", verdict, a.By, a.Why)
	if a.Rule != nil {
		line += " [" + string(a.Rule.ID) + "]"
	}
	if a.Note != "" {
		line += "; " + a.Note
	}
	for _, c := range a.Changes {
		line += " => " + string(c.Do)
		if c.Rule != nil {
			line += " " + string(c.Rule.ID)
		} else {
			line += strings.TrimRight(" "+c.Attribute, " ") + " " + c.Path
		}
	}
	return line
}

func TestAsk(t *testing.T) {
	rules := []string{
		"allow /home/ada/proj", "default read /usr", "default deny /home/ada/.ssh", "default deny /home/ada/.netrc",
		"deny /home/ada/proj/.env", "default protect /home/ada/proj/.git/hooks", "protect /home/ada/proj/dir/deep", "write /home/ada/set.json",
		"deny /home/ada/proj/none", "read /mnt/cd", "write /mnt/cd",
	}
	a := asker(t, tree(), rules...)
	for question, want := range map[string]string{
		"read proj/main.go":    "yes (policy): granted [allow.0]",
		"execute proj/main.go": "no (host): granted, and its mode lets nobody execute it [allow.0]",
		"execute proj/run.sh":  "yes (policy): granted [allow.0]",
		"delete proj/main.go":  "yes (policy): granted [allow.0]",
		"create proj/new":      "yes (policy): granted [allow.0]",
		"create proj/new/new":  "yes (policy): granted [allow.0]",
		"create proj/main.go":  "yes (policy): granted [allow.0]; something is there already",
		"read proj/gone":       "yes (policy): granted [allow.0]",

		// What the user denied, what he protected, what is by default.
		"read proj/.env":               "no (policy): denied [deny.4]; inside it is hidden: a file without rights => remove deny.4",
		"write proj/.git/hooks":        "no (policy): protected: may be read, not written [protect.5] => add write /home/ada/proj/.git/hooks",
		"create proj/.git/hooks/x":     "no (policy): protected: may be read, not written [protect.5] => add write /home/ada/proj/.git/hooks",
		"write proj/dir/deep":          "no (policy): protected: may be read, not written [protect.6] => remove protect.6",
		"read proj/dir/deep":           "yes (policy): granted [allow.0]",
		"read .ssh/id":                 "no (policy): denied by default [deny.2]; inside it is hidden: a directory without rights => add lift /home/ada/.ssh/id => add read /home/ada/.ssh/id",
		"create .ssh/new":              "no (policy): denied by default [deny.2]; inside it is hidden: a directory without rights => add lift /home/ada/.ssh => add write /home/ada/.ssh",
		"read .netrc":                  "no (policy): denied by default [deny.3]; inside, /home/ada is the session's own, gone when it ends => add lift /home/ada/.netrc => add read /home/ada/.netrc",
		"create proj/none":             "yes (policy): granted [allow.0]; agent.hcl:9:1 says deny /home/ada/proj/none, and nothing is there to hold: what is made there is not kept from the agent",
		"create proj/none/below":       "yes (policy): granted [allow.0]; agent.hcl:9:1 says deny /home/ada/proj/none, and nothing is there to hold: what is made there is not kept from the agent",
		"read proj/none":               "no (policy): denied [deny.8] => remove deny.8",
		"read .config/nono/config.hcl": "no (policy): no rule grants it; inside, /home/ada is the session's own, gone when it ends",

		// Places: what is held there cannot be removed.
		"delete proj":            "no (policy): no rule grants it; inside, it only leads to what is granted beneath it",
		"delete proj/dir":        "no (view): it is where a rule begins, and held in its place [protect.6] => remove protect.6",
		"delete proj/dir/secret": "yes (policy): granted [allow.0]",
		"delete proj/.git":       "no (view): it is where a rule begins, and held in its place [protect.5]",
		"write proj/agent.hcl":   "no (view): it is nono's own, or what decides about the next run [base.self]",
		"delete proj/agent.hcl":  "no (view): it is where a rule begins, and held in its place [base.self]",
		"write set.json":         "yes (policy): granted [write.7]; a copy of it is inside; what the agent changes in it is brought back at the end",
		"delete set.json":        "no (view): a copy of it is inside: whatever becomes of that, your own file stays [write.7]",

		// What nothing grants.
		"read data/x":          "no (policy): no rule grants it; inside, /home/ada is the session's own, gone when it ends => add read /home/ada/data/x",
		"write data/x":         "no (policy): no rule grants it; inside, /home/ada is the session's own, gone when it ends => add write /home/ada/data/x",
		"create data/y":        "no (policy): no rule grants it; inside, /home/ada is the session's own, gone when it ends => add write /home/ada/data",
		"create y":             "no (policy): no rule grants it; inside, /home/ada is the session's own, gone when it ends => make /home/ada/y => add write /home/ada/y",
		"read data/gone":       "no (policy): no rule grants it; inside, /home/ada is the session's own, gone when it ends",
		"list /home/ada":       "no (policy): no rule grants it; inside, it only leads to what is granted beneath it => add read /home/ada",
		"read /data":           "no (policy): no rule grants it; nothing of yours is there inside => add read /data",
		"write /usr/bin":       "no (policy): granted for reading only [read.1] => add write /usr/bin",
		"execute /mnt/cd":      "yes (policy): granted [read.9]",
		"write /mnt/cd":        "no (host): granted, and its file system is mounted read-only [write.10]",
		"read /root/x":         "no (host): you cannot look there yourself: permission denied",
		"read proj/unreadable": "no (host): granted, and you may not read it yourself [allow.0]",

		// Links.
		"read link/main.go": "no (view): its name leads through the link /home/ada/link, which is not inside; ask for it by the name /home/ada/proj/main.go",
		"write proj/out":    "no (policy): no rule grants it; nothing of yours is there inside => add write /data",
		"delete proj/out":   "yes (policy): granted [allow.0]",
		"read /bin":         "no (view): its name leads through the link /bin, which is not inside; ask for it by the name /usr/bin",

		// The session's own.
		"write /dev/null":    "yes (policy): the session has a /dev of its own, with the devices that harm nobody",
		"create /dev/x":      "no (view): the session has a /dev of its own, with the devices that harm nobody",
		"read /proc/cpuinfo": "yes (policy): the session has a /proc of its own, which shows its own processes",
		"write /proc/1/mem":  "no (view): the session has a /proc of its own, which shows its own processes",
	} {
		op, name, _ := strings.Cut(question, " ")
		if name[0] != '/' {
			name = home + "/" + name
		}
		if d := cmp.Diff(want, show(a.Ask(name, why.Op(op)))); d != "" {
			t.Errorf("%s (-want +got):\n%s", question, d)
		}
	}
}

// `read = ["/"]` is all of the host but for its temporary directories, which a grant by name adds.
func TestWholeHost(t *testing.T) {
	a := asker(t, tree(), "read /")
	want := "no (view): inside, /tmp is the session's own, gone when it ends => add read /tmp/theirs"
	if got := show(a.Ask("/tmp/theirs", why.Read)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := a.Ask("/home/ada/data/x", why.Read); !got.Allowed {
		t.Error(show(got))
	}
}

// Several rules may stand in the way of one file: all of them are named.
func TestEveryChangeThatIsNeeded(t *testing.T) {
	a := asker(t, tree(), "read /home/ada/proj", "deny /home/ada/proj/dir", "deny /home/ada/proj/dir/secret")
	want := "no (policy): denied [deny.2]; inside it is hidden: a directory without rights" +
		" => remove deny.2 => remove deny.1 => add write /home/ada/proj/dir/secret"
	if got := show(a.Ask(home+"/proj/dir/secret", why.Write)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// With the filesystem layer off nothing is restricted but what is nono's own.
func TestDisabled(t *testing.T) {
	root := fragment.Bind{For: base.RuleMounts, Path: "/", Writable: true}
	self := fragment.Mask{For: base.RuleSelf, Path: home + "/.config/nono", Directory: true}
	p := &plan.Plan{
		Disabled: []policy.Disabled{{Kind: policy.KindFilesystem, Source: policy.Source{Origin: policy.OriginFlag, Flag: "--disable filesystem"}}},
		Rules:    []plan.Rule{{ID: base.RuleSelf, Says: "nono's own files", Source: policy.Source{Origin: policy.OriginBase}}},
		Mounts:   []view.Mount{{Mount: root, Layer: plan.Core}, {Mount: self, Layer: plan.Core}},
	}
	host := tree()
	a := why.New(p, why.Host{Look: host.Look, Reach: func(string) hostfile.Reach { return hostfile.Reach{Read: true, Write: true} }})
	for question, want := range map[string]string{
		"read /home/ada/.ssh/id":                 "yes (policy): no path is restricted: --disable filesystem",
		"delete /home/ada/data":                  "yes (policy): no path is restricted: --disable filesystem",
		"read /home/ada/.config/nono/config.hcl": "no (view): it is nono's own, or what decides about the next run [base.self]; inside it is hidden: a directory without rights",
		"delete /home/ada/.config":               "no (view): /home/ada/.config/nono lies in it, and is held in its place [base.self]",
	} {
		op, name, _ := strings.Cut(question, " ")
		if got := show(a.Ask(name, why.Op(op))); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", question, got, want)
		}
	}
}

// A layer may draw its second wall narrower than the first.
func TestLandlockGivesLess(t *testing.T) {
	tree := tree()
	p := &plan.Plan{
		Rules: []plan.Rule{{ID: "allow.0", Access: policy.Allow, Path: "/home/ada/proj", Type: policy.Directory}},
		Mounts: []view.Mount{
			{Mount: fragment.Tmpfs{Path: "/"}, Layer: plan.Core},
			{Mount: fragment.Bind{For: "allow.0", Path: "/home/ada/proj", Writable: true}, Layer: "fs"},
		},
		Landlock: []merge.Grant{
			{Landlock: fragment.Landlock{Path: "/", Rights: []fragment.Right{fragment.RightList}}},
			{Landlock: fragment.Landlock{Path: "/home/ada/proj", Rights: []fragment.Right{fragment.RightRead}}},
			{Landlock: fragment.Landlock{Path: "/home/ada/proj/dir", Rights: []fragment.Right{fragment.RightWrite}}},
		},
	}
	a := why.New(p, why.Host{Look: tree.Look, Reach: func(string) hostfile.Reach { return hostfile.Reach{Read: true, Write: true} }})
	for question, want := range map[string]bool{
		"read main.go": true, "write main.go": false, "create new": false, "delete main.go": false, "execute run.sh": false,
		"write dir/secret": true, "create dir/new": true, "delete dir": false,
	} {
		op, name, _ := strings.Cut(question, " ")
		if got := a.Ask(home+"/proj/"+name, why.Op(op)); got.Allowed != want || !want && got.By != why.ByView {
			t.Errorf("%s: %s", question, show(got))
		}
	}
}
