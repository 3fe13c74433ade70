package events

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

const session = "k3v9qapzw2"

// sample is a log of so many different events, and its end.
func sample(t *testing.T, session string, n int) ([]string, Chain) {
	t.Helper()
	var file bytes.Buffer
	log, err := Create(&file, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(i int) Event {
		return Event{Layer: "netfilter", Name: "refused", Fields: map[string]string{"host": host(i)}}
	}
	for i := range n - 1 {
		log.Add(refused(i))
	}
	chain, err := log.Close(refused(n - 1))
	if err != nil || chain.Count != uint64(n) {
		t.Fatalf("%d events, %v", chain.Count, err)
	}
	return slices.Collect(strings.Lines(file.String())), chain
}

// over ends a log.
var over = Event{Layer: Core, Name: "over"}

func host(i int) string { return fmt.Sprintf("%d.example", i) }

func TestVerify(t *testing.T) {
	lines, kept := sample(t, session, 6)
	others, _ := sample(t, "another", 6)
	for _, tt := range []struct {
		name   string
		change func(lines []string) []string
		broken string // with the end that was kept
		unkept string // and without it
	}{
		{"as it was written", func(l []string) []string { return l }, "", ""},
		{
			"a byte of the first event",
			func(l []string) []string {
				l[1] = strings.Replace(l[1], "0.example", "9.example", 1)
				return l
			},
			"line 3: it does not follow line 2, of which one was changed", "the same",
		},
		{
			"a byte of the last event",
			func(l []string) []string {
				l[6] = strings.Replace(l[6], "5.example", "9.example", 1)
				return l
			},
			"line 7: it was changed: the session kept another hash of it", "",
		},
		{
			"a blank that means nothing",
			func(l []string) []string {
				l[3] = strings.Replace(l[3], `,"count"`, `, "count"`, 1)
				return l
			},
			"line 5: it does not follow line 4, of which one was changed", "the same",
		},
		{
			"the end cut off", func(l []string) []string { return l[:5] },
			"line 6: the end is missing: 6 events were written, and 4 are there", "",
		},
		{
			"all events cut off", func(l []string) []string { return l[:1] },
			"line 2: the end is missing: 6 events were written, and 0 are there", "",
		},
		{
			"the last line torn",
			func(l []string) []string {
				l[6] = l[6][:20]
				return l
			},
			"line 7: it has no end", "",
		},
		{
			"one cut out", func(l []string) []string { return slices.Delete(l, 3, 4) },
			"line 4: event 4 stands where 3 was to come", "the same",
		},
		{
			"the beginning cut out", func(l []string) []string { return l[1:] },
			"line 1: it is not the beginning of this session's log", "the same",
		},
		{
			"two in another order",
			func(l []string) []string {
				l[2], l[3] = l[3], l[2]
				return l
			},
			"line 3: event 3 stands where 2 was to come", "the same",
		},
		{
			"one twice", func(l []string) []string { return slices.Insert(l, 3, l[2]) },
			"line 4: event 2 stands where 3 was to come", "the same",
		},
		{
			"one of another session",
			func(l []string) []string {
				l[1] = others[1]
				return l
			},
			"line 2: it does not follow line 1, of which one was changed", "the same",
		},
		{
			"another session's log", func([]string) []string { return others },
			"line 1: it is not the beginning of this session's log", "the same",
		},
		{
			"one added that fits",
			func(l []string) []string {
				chain := kept
				line, err := chain.link(Event{Layer: Core, Name: "made up"})
				if err != nil {
					t.Fatal(err)
				}
				return append(l, string(line)+"\n")
			},
			"line 8: something was added: 6 events were written, and 7 are there", "",
		},
		{
			"no event", func(l []string) []string { return slices.Insert(l, 2, "\n") },
			"line 3: it is no event: EOF", "the same",
		},
		{"nothing", func([]string) []string { return nil }, "line 1: there is no whole line", "the same"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.unkept == "the same" {
				tt.unkept = tt.broken
			}
			file := strings.Join(tt.change(slices.Clone(lines)), "")
			for want, kept := range map[*Chain]string{&kept: tt.broken, nil: tt.unkept} {
				_, err := Verify(strings.NewReader(file), session, want, func(Record) {})
				if told := fmt.Sprint(err); told != kept && (err != nil || kept != "") {
					t.Errorf("with the end kept: %v: %s\nwant %s", want != nil, told, kept)
				}
			}
		})
	}
}

func TestNewerLog(t *testing.T) {
	newer := fmt.Sprintf(`{"nono_events":%d,"session":%q,"more":{}}`+"\n", Version+1, session)
	if _, err := Verify(strings.NewReader(newer), session, nil, func(Record) {}); !errors.Is(err, ErrNewer) {
		t.Errorf("it is told as: %v", err)
	}
}

// A reader goes on behind what is wrong, and behind an end that was not one yet.
func TestReadOn(t *testing.T) {
	lines, _ := sample(t, session, 4)
	file := bytes.NewBufferString(lines[0] + lines[1] + lines[3] + lines[4][:9])
	read, err := NewReader(file, session)
	if err != nil {
		t.Fatal(err)
	}
	next := func() (string, error) {
		r, err := read.Next()
		return r.Fields["host"], err
	}
	if got, err := next(); got != host(0) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	var broken *Broken
	if got, err := next(); got != host(2) || !errors.As(err, &broken) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := next(); !errors.Is(err, io.EOF) || read.Torn() != 9 {
		t.Errorf("%v, with %d bytes of a line", err, read.Torn())
	}
	file.WriteString(lines[4][9:])
	if got, err := next(); got != host(3) || err != nil || read.Torn() != 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLineIsBounded(t *testing.T) {
	lines, _ := sample(t, session, 1)
	endless := io.MultiReader(strings.NewReader(lines[0]), endlessly{})
	if _, err := Verify(endless, session, nil, func(Record) {}); err == nil {
		t.Error("a line without an end was read")
	}
}

type endlessly struct{}

func (endlessly) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// records are what is in a log.
func records(t *testing.T, file []byte) []Record {
	t.Helper()
	read, err := NewReader(bytes.NewReader(file), session)
	if err != nil {
		t.Fatal(err)
	}
	var all []Record
	for {
		r, err := read.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// shared is a file that is read while the log writes to it.
type shared struct {
	mu   sync.Mutex
	text []byte
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, b...)
	return len(b), nil
}

func (s *shared) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.text)
}

// What comes again is written once in a window; what does not is written as it comes.
func TestFolding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file shared
		log, err := Create(&file, session, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		add := func(name string, count uint64) {
			log.Add(Event{Layer: "netfilter", Name: name, Count: count})
		}
		var got []string
		seen := 0
		look := func() {
			synctest.Wait()
			all := records(t, file.Bytes())
			for _, r := range all[seen:] {
				until := ""
				if !r.Until.IsZero() {
					until = fmt.Sprintf("..%.0f", r.Until.Sub(start).Seconds())
				}
				got = append(got, fmt.Sprintf("%.0f%s %s %d", r.Time.Sub(start).Seconds(), until, r.Name, r.Count))
			}
			seen = len(all)
			got = append(got, "-")
		}
		add("refused", 0)
		add("asked", 3)
		look()
		for range 5 {
			time.Sleep(time.Second)
			add("refused", 1)
		}
		look()
		time.Sleep(6 * time.Second) // the window is over
		look()
		add("refused", 1)
		add("refused", 7)
		look()
		time.Sleep(time.Minute) // and the next
		look()
		add("refused", 1) // it was forgotten
		look()
		add("refused", 1)
		add("asked", 1)
		if _, err := log.Close(over); err != nil {
			t.Error(err)
		}
		look()
		want := []string{
			"0 refused 1", "0 asked 3", "-", "-", "1..5 refused 5", "-", "-", "11..11 refused 8", "-",
			"71 refused 1", "-", "71 asked 1", "71 refused 1", "71 over 1", "-",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// A log that is over has nothing left that runs, and takes nothing more.
func TestNothingAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file shared
		log, err := Create(&file, session, nil)
		if err != nil {
			t.Fatal(err)
		}
		log.Add(Event{Layer: "x", Name: "once"})
		log.Add(Event{Layer: "x", Name: "once"})
		chain, err := log.Close(over)
		if err != nil {
			t.Fatal(err)
		}
		log.Add(Event{Layer: Core, Name: "late"})
		time.Sleep(time.Hour)
		if again, err := log.Close(over); again != chain || err != nil {
			t.Errorf("%+v and then %+v, %v", chain, again, err)
		}
		if n := len(records(t, file.Bytes())); n != 3 {
			t.Errorf("%d events", n)
		}
	})
}

// What differs in anything but its time is another event.
func TestKeys(t *testing.T) {
	different := []Event{
		{Layer: "a", Name: "n"},
		{Layer: "an", Name: ""},
		{Layer: "b", Name: "n"},
		{Layer: "a", Name: "n", Rule: "network.allow.0"},
		{Layer: "a", Name: "n", Fields: map[string]string{"x": "y"}},
		{Layer: "a", Name: "n", Fields: map[string]string{"x": "y", "": ""}},
		{Layer: "a", Name: "n", Fields: map[string]string{"x": `y""`}},
		{Layer: "a", Name: "n", Fields: map[string]string{`x"y`: ""}},
	}
	keys := map[string]int{}
	for i, e := range different {
		if other, there := keys[e.key()]; there {
			t.Errorf("%+v is the same as %+v", e, different[other])
		}
		keys[e.key()] = i
	}
	again := Event{Time: time.Now(), Count: 3, Layer: "a", Name: "n"}
	if again.key() != different[0].key() {
		t.Error("time and count make another event")
	}
}

// An agent that brings about different events without end fills neither memory nor disk. What was
// not written is told, and core's own events always are.
func TestBounds(t *testing.T) {
	for name, flood := range map[string]Event{
		"a layer's":              {Layer: "x", Name: "n"},
		"what core is asked for": {Layer: Core, Name: "n", AtWill: true},
	} {
		t.Run(name, func(t *testing.T) { testBounds(t, flood) })
	}
}

func testBounds(t *testing.T, flood Event) {
	var file counter
	log, err := Create(&file, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxValue-8)
	const all = MaxSize/maxValue + 1000
	for i := range all {
		flood.Fields = map[string]string{"f": long + strconv.Itoa(i)}
		log.Add(flood)
	}
	if n := len(log.fold.open); n > maxFolded {
		t.Errorf("%d different events are counted", n)
	}
	log.Add(Event{Layer: Core, Name: "ended"})
	chain, err := log.Close(over)
	if err != nil {
		t.Fatal(err)
	}
	if file.bytes > MaxSize+maxLine {
		t.Errorf("%d bytes were written", file.bytes)
	}
	if log.skipped == 0 || chain.Count-3+log.skipped != all {
		t.Errorf("%d events were written and %d skipped, of %d", chain.Count, log.skipped, all)
	}
	if !strings.Contains(file.before, fmt.Sprintf(`"count":%d,"layer":"core","name":"events.skipped"`, log.skipped)) {
		t.Errorf("before its end the log has %s", file.before)
	}
}

// What an agent brings about without end leaves room for what it does then.
func TestFloodHidesNothingElse(t *testing.T) {
	var file counter
	log, err := Create(&file, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxValue-8)
	for kind := range 4 {
		for i := range MaxSize / maxValue {
			fields := map[string]string{"f": long + strconv.Itoa(i)}
			log.Add(Event{Layer: "x", Name: "flood" + strconv.Itoa(kind), Fields: fields})
		}
	}
	if log.skipped == 0 {
		t.Error("it was no flood")
	}
	log.Add(Event{Layer: "x", Name: "allowed"})
	if !strings.Contains(file.last, `"name":"allowed"`) {
		t.Errorf("the last line is %.100s", file.last)
	}
	if _, err := log.Close(over); err != nil || file.bytes > MaxSize+maxLine {
		t.Errorf("%d bytes were written, %v", file.bytes, err)
	}
}

type counter struct {
	bytes        int
	before, last string
}

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += len(b)
	c.before, c.last = c.last, string(b)
	return len(b), nil
}

// A value may be as long as the contract lets it.
func TestLongestEvent(t *testing.T) {
	var file bytes.Buffer
	log, err := Create(&file, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for i := range 64 {
		fields[strconv.Itoa(i)] = strings.Repeat("\u202e", 16<<10/3)
	}
	log.Add(Event{Layer: "x", Name: "n", Fields: fields})
	chain, err := log.Close(over)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range file.String() {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) {
			t.Fatalf("%q is in the file", r)
		}
	}
	if _, err := Verify(&file, session, &chain, func(Record) {}); err != nil {
		t.Error(err)
	}
}

// A disk that is full ends the log, and not the run. What was kept is what is there.
func TestFullDisk(t *testing.T) {
	file := &full{room: 600}
	var beside bytes.Buffer
	log, err := Create(file, session, &beside)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		log.Add(Event{Layer: "x", Name: strconv.Itoa(i)})
	}
	file.room = 1 << 20
	log.Add(Event{Layer: "x", Name: "too late"})
	chain, err := log.Close(over)
	if !errors.Is(err, errFull) {
		t.Errorf("closing it says %v", err)
	}
	lines := slices.Collect(strings.Lines(file.String()))
	if len(lines) != int(chain.Count)+2 || strings.HasSuffix(lines[len(lines)-1], "\n") {
		t.Errorf("%d events were kept of\n%s", chain.Count, file.String())
	}
	whole := strings.Join(lines[:len(lines)-1], "")
	if _, err := Verify(strings.NewReader(whole), session, &chain, func(Record) {}); err != nil {
		t.Error(err)
	}
	if beside.String() != whole {
		t.Errorf("beside was told\n%s", beside.String())
	}
}

var errFull = errors.New("no space left on device")

type full struct {
	bytes.Buffer
	room int
}

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.room {
		n, _ := f.Buffer.Write(b[:f.room])
		f.room = 0
		return n, errFull
	}
	f.room -= len(b)
	return f.Buffer.Write(b)
}

func TestResume(t *testing.T) {
	lines, _ := sample(t, session, 3)
	all := strings.Join(lines, "")
	for name, tt := range map[string]struct {
		file string
		want []string
	}{
		"whole":      {all, []string{"refused", "refused", "refused", "over"}},
		"torn":       {all[:len(all)-7], []string{"refused", "refused", "events.torn", "over"}},
		"only begun": {lines[0], []string{"over"}},
		"empty":      {"", []string{"over"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.jsonl")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			log, err := Resume(f, session)
			if err != nil {
				t.Fatal(err)
			}
			chain, err := log.Close(over)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(bytes.NewReader(file), session, &chain, func(Record) {}); err != nil {
				t.Error(err)
			}
			var names []string
			for _, r := range records(t, file) {
				names = append(names, r.Name)
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Going on with a log does not mend it.
func TestResumeHidesNothing(t *testing.T) {
	lines, _ := sample(t, session, 3)
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, []byte(lines[0]+lines[1]+lines[3]), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log, err := Resume(f, session)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := log.Close(over)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var broken *Broken
	if _, err := Verify(f, session, &chain, func(Record) {}); !errors.As(err, &broken) || broken.Line != 3 {
		t.Errorf("the log is told to be: %v", err)
	}
}

// Layers tell at the same time.
func TestTogether(t *testing.T) {
	var file bytes.Buffer
	log, err := Create(&file, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	const each = 200
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range each {
				log.Add(Event{Layer: "x", Name: strconv.Itoa(i % 5)})
			}
		})
	}
	all.Wait()
	chain, err := log.Close(over)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(bytes.NewReader(file.Bytes()), session, &chain, func(Record) {}); err != nil {
		t.Error(err)
	}
	count := uint64(0)
	for _, r := range records(t, file.Bytes()) {
		count += r.Count
	}
	if count != 8*each+1 {
		t.Errorf("%d events were counted, of %d", count, 8*each+1)
	}
}

// Any string survives, and whatever a file holds is read or refused.
func FuzzLog(f *testing.F) {
	f.Add("refused", "host", "a.example", []byte("{}\n"))
	f.Add("\xff\u009b\u202e\uef81", "", "\n\x00", []byte(`{"number":2}`))
	f.Fuzz(func(t *testing.T, name, field, value string, behind []byte) {
		var file bytes.Buffer
		log, err := Create(&file, session, nil)
		if err != nil {
			t.Fatal(err)
		}
		log.Add(Event{Layer: "x", Name: name, Fields: map[string]string{field: value}})
		chain, err := log.Close(over)
		if err != nil {
			t.Fatal(err)
		}
		got := records(t, file.Bytes())[0]
		if got.Name != name || len(value) <= maxValue && got.Fields[field] != value {
			t.Errorf("%q, %q became %+v", name, value, got)
		}
		file.Write(behind)
		if _, err := Verify(&file, session, &chain, func(Record) {}); err == nil && len(behind) > 0 {
			t.Error("what stands behind the end was not noticed")
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for name, fields := range map[string]func(i int) map[string]string{
		"different": func(i int) map[string]string { return map[string]string{"host": host(i)} },
		"again":     func(int) map[string]string { return map[string]string{"host": "a.example"} },
	} {
		b.Run(name, func(b *testing.B) {
			log, err := Create(io.Discard, session, nil)
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				log.Add(Event{Layer: "netfilter", Name: "refused", Fields: fields(i)})
			}
		})
	}
}
