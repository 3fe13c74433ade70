package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listed is a list of sessions, the newest first: what each line says of id, name and directory.
func listed(lines ...[3]string) []Entry {
	list := make([]Entry, len(lines))
	for i, l := range lines {
		list[i] = Entry{ID: l[0], State: Finished}
		if l[2] != "" {
			list[i].Record = &Record{ID: l[0], Name: l[1], Dir: l[2]}
		}
	}
	return list
}

func TestPick(t *testing.T) {
	list := listed(
		[3]string{"abcdefghij", "nightly", "/p"},
		[3]string{"abczzzzzzz", "night", "/p"},
		[3]string{"bbbbbbbbbb", "nightly", "/p"},
		[3]string{"night22222", "", "/p"},
		[3]string{"cccccccccc", "", ""}, // nobody can read what it says
		[3]string{"dddddddddd", "a", "/p"},
	)
	for word, want := range map[string]string{
		"abcdefghij":  "abcdefghij",
		"abcd":        "abcdefghij",
		"abc":         "2 sessions could be meant by \"abc\"",
		"nightly":     "abcdefghij", // the newest of that name
		"nightl":      "abcdefghij", // which both are called
		"night":       "abczzzzzzz", // a whole name is not the beginning of another
		"nigh":        "3 sessions could be meant by \"nigh\"",
		"night2":      "night22222",
		"bbbbbbbbbb":  "bbbbbbbbbb",
		"c":           "cccccccccc",
		"a":           "dddddddddd",
		"":            ErrNone.Error(),
		"x":           ErrNone.Error(),
		"abcdefghijk": ErrNone.Error(),
	} {
		e, err := Pick(list, word)
		got := e.ID
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
	var several *AmbiguousError
	if _, err := Pick(list, "abc"); !errors.As(err, &several) || len(several.Among) != 2 {
		t.Errorf("those that are meant are not told: %v", err)
	}
}

func TestLast(t *testing.T) {
	list := listed(
		[3]string{"1", "", ""},
		[3]string{"2", "", "/home/ada"},
		[3]string{"3", "", "/home/ada/proj"},
		[3]string{"4", "", "/home/ada/proj"},
		[3]string{"5", "", "/home/ada/proj/sub"},
		[3]string{"6", "", "/home/adam"},
	)
	for dir, want := range map[string]string{
		"/home/ada/proj":      "3",
		"/home/ada/proj/sub":  "5",
		"/home/ada/proj/test": "3",
		"/home/ada":           "2",
		"/home/ada/other":     "2",
		"/home/adam":          "6",
		"/home":               "",
		"/":                   "",
	} {
		e, err := Last(list, dir)
		if e.ID != want || (err == nil) != (want != "") {
			t.Errorf("in %s: %q, %v, want %q", dir, e.ID, err, want)
		}
	}
}

func TestSharing(t *testing.T) {
	entry := func(id string, state State, trees ...string) Entry {
		return Entry{ID: id, State: state, Record: &Record{Trees: trees}}
	}
	list := []Entry{
		entry("same", Live, "/x", "/p"),
		entry("above", Live, "/"),
		entry("beneath", Live, "/p/sub"),
		entry("beside", Live, "/pq", "/x"),
		entry("reads", Live),
		entry("dead", Dead, "/p"),
		entry("own", Live, "/p"),
		{ID: "broken", State: Live},
	}
	var got []string
	for _, e := range Sharing(list, []string{"/p"}, "own") {
		got = append(got, e.ID)
	}
	if diff := cmp.Diff([]string{"above", "beneath", "same"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCheckName(t *testing.T) {
	for name, fine := range map[string]bool{
		"nightly": true, "a": true, "v1.2_x-3": true, "7": true,
		"": false, "-x": false, ".x": false, "a b": false, "a/b": false, "a\n": false, "ü": false,
		"abcdefghij": false, // an id
		"01234567890123456789012345678901234567890123456789012345678901234": false,
	} {
		if err := CheckName(name); (err == nil) != fine {
			t.Errorf("%q: %v", name, err)
		}
	}
}
