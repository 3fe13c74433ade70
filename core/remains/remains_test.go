package remains

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/bytejson"
)

// full is a report with one of everything; \xff is a byte that no text has.
func full() Report {
	return Report{
		Ended:     2,
		Private:   []Left{{Dir: "/home/ada", Files: 3, Gone: []Gone{{"/home/ada/\xff", 1, 5000}, {"/home/ada/d", 2, 0}}}},
		Copies:    []copies.Outcome{{Path: "/home/ada/.c.json", Result: copies.Kept, At: "/home/ada/.c.json.nono-x", Why: "it was changed"}},
		Worktrees: []string{"/home/ada/wt"},
		Aside: Aside{
			Session: "k3v9", Policies: []Altered{{"/home/ada/p/agent.hcl", "changed"}},
			Changes: []Altered{{"/home/ada/p/.git/config", "changed"}, {"/home/ada/p/.git/hooks/x", "new"}},
		},
		Outside: Outside{
			New:          []string{"/home/ada/p/.git/hooks"},
			Changed:      []Change{{"/home/ada/p/.mcp.json", "a file", "a directory"}},
			Repositories: []Repository{{"/home/ada/p/sub", false}, {"/home/ada/p/src", true}},
			Entered:      []Entered{{"/home/ada/p", []string{"vendor/x"}}},
			Unread:       []Unread{{"/home/ada/p", "it ends too early"}},
			Lost:         []string{"/home/ada/q/.git"},
			Heads:        []Change{{"/home/ada/p", "refs/heads/main", "refs/heads/x"}},
			RunLater:     []string{"/home/ada/p/.envrc"},
			Unseen:       []string{"/home/ada/p/deep"}, UnseenLast: []string{"/home/ada/p/node_modules"},
		},
		Cut: true,
	}
}

// TestReportIsAValue: a machine reads what a run has written, with every byte, and under these
// names.
func TestReportIsAValue(t *testing.T) {
	want := full()
	text, err := bytejson.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := bytejson.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	const shown = `{"ended":2,` +
		`"private":[{"dir":"/home/ada","files":3,"gone":[{"path":"/home/ada/%","files":1,"bytes":5000},{"path":"/home/ada/d","files":2,"bytes":0}]}],` +
		`"copies":[{"path":"/home/ada/.c.json","result":"kept","at":"/home/ada/.c.json.nono-x","why":"it was changed"}],` +
		`"worktrees":["/home/ada/wt"],` +
		`"aside":{"session":"k3v9","changes":[{"path":"/home/ada/p/.git/config","how":"changed"},{"path":"/home/ada/p/.git/hooks/x","how":"new"}],` +
		`"policies":[{"path":"/home/ada/p/agent.hcl","how":"changed"}]},` +
		`"outside":{"new":["/home/ada/p/.git/hooks"],"changed":[{"path":"/home/ada/p/.mcp.json","was":"a file","is":"a directory"}],` +
		`"repositories":[{"path":"/home/ada/p/sub"},{"path":"/home/ada/p/src","bare":true}],` +
		`"entered":[{"repository":"/home/ada/p","paths":["vendor/x"]}],"unread":[{"repository":"/home/ada/p","why":"it ends too early"}],` +
		`"lost":["/home/ada/q/.git"],"heads":[{"path":"/home/ada/p","was":"refs/heads/main","is":"refs/heads/x"}],` +
		`"run_later":["/home/ada/p/.envrc"],"unseen":["/home/ada/p/deep"],"unseen_last":["/home/ada/p/node_modules"]},"cut":true}`
	before, after, _ := strings.Cut(shown, "%")
	if s := string(text); !strings.HasPrefix(s, before) || !strings.HasSuffix(s, after) {
		t.Errorf("got  %s\nwant %s", s, shown)
	}
	if text, err := bytejson.Marshal(Report{}); err != nil || string(text) != "{}" {
		t.Errorf("of nothing: %s, %v", text, err)
	}
}

// TestFull: a new field of a report is one of the test's report too.
func TestFull(t *testing.T) {
	for _, v := range []reflect.Value{reflect.ValueOf(full()), reflect.ValueOf(full().Outside)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("it has no %s", v.Type().Field(i).Name)
			}
		}
	}
}

func TestTell(t *testing.T) {
	tell := func(r Report) string {
		var b strings.Builder
		r.Tell(diag.NewPrinter(&b, false, true, false), "/home/ada")
		return b.String()
	}
	want := `nono: ended 2 processes that the command left behind
nono: ~ is private: 3 files left there are gone: ~/\xff (5 KiB), 2 in ~/d (empty)
nono: warning: ~/.c.json is as it was on the host: it was changed
  what the command made of it is in ~/.c.json.nono-x
nono: warning: the git worktree ~/wt lay outside of every grant and is gone
  what was committed there is in the repository, and ` + "`git worktree prune`" + ` forgets the place; to work in one, make it in the project, or give it a directory first: mkdir ~/wt, and --allow ~/wt
nono: warning: a policy file of this run was changed in it: ~/p/agent.hcl (changed)
  ` + "`nono session restore k3v9`" + ` puts it back; look before the next run is made from it
nono: warning: changed, and programs outside the sandbox act on it: ~/p/.git/config (changed), ~/p/.git/hooks/x (new)
  ` + "`nono session restore k3v9`" + ` puts it back; look before you use git or an agent here
nono: warning: new since the start: ~/p/.git/hooks
  programs outside the sandbox act on it: look before you use git or an agent here
nono: warning: ~/p/.mcp.json was a file at the start, and is a directory
  programs outside the sandbox act on it: look before you use git or an agent here
nono: warning: git repositories that are new since the start: ~/p/sub, ~/p/src (bare: git takes the directory itself for one)
  git runs what their settings and hooks say when it enters them; ` + "`nono git check`" + ` shows that
nono: warning: the index of ~/p has repositories in it since the start: vendor/x
  ` + "`git status` there enters them and runs what their settings say; `nono git check`" + ` shows that
nono: warning: the index of ~/p cannot be read any more: it ends too early
  git may find repositories in it that nono does not: make it anew with ` + "`git reset`" + `
nono: warning: git does not take ~/q/.git for a repository any more: its HEAD, objects or refs are gone
  it looks for another one in the directory itself, and above: put it right before you use git there
nono: new or changed, and tools outside run what they say: ~/p/.envrc
nono: HEAD of ~/p was refs/heads/main, and is refs/heads/x
nono: warning: not all was looked at for what git would run: there is too much, and from ~/p/deep on nothing more was seen
  look before you use git or an editor in directories that the agent made
nono: looking at what changed: there are too many directories; ~/p/node_modules and those after it were not looked into
nono: there was more, which is not listed
`
	if diff := cmp.Diff(want, tell(full())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := tell(Report{}); got != "" {
		t.Errorf("of nothing: %s", got)
	}
}

// TestBounded: however much there is, what is kept is not more than was said, and says so.
func TestBounded(t *testing.T) {
	whole := full()
	whole.Cut = false
	if diff := cmp.Diff(whole, whole.Bounded(1<<20)); diff != "" {
		t.Errorf("one that fits is cut (-want +got):\n%s", diff)
	}
	long := whole
	for range 1000 {
		name := strings.Repeat("x", 1000)
		long.Outside.New = append(long.Outside.New, name)
		long.Aside.Changes = append(long.Aside.Changes, Altered{name, "changed"})
		long.Outside.RunLater = append(long.Outside.RunLater, name)
		long.Private = append(long.Private, Left{Dir: "/tmp", Files: 1, Gone: []Gone{{name, 1, 1}}})
	}
	for _, most := range []int{0, 100, 10_000, 100_000} {
		before := len(long.Private[1].Gone)
		got := long.Bounded(most)
		got.Private = nil // there are as many as there are private directories, which core makes
		text, err := bytejson.Marshal(got)
		if err != nil || len(text) > most+500 || !got.Cut {
			t.Errorf("bounded to %d it has %d bytes, cut: %t, %v", most, len(text), got.Cut, err)
		}
		if len(long.Private[1].Gone) != before {
			t.Error("the report itself was cut")
		}
	}
}
