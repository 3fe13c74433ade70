package show

import (
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
)

// Hunk is one place at which two texts differ.
type Hunk struct {
	// Text is the difference as a diff shows it.
	Text  string
	edits []udiff.Edit
}

// Hunks are the places at which a text was changed, each with what takes the change back.
func Hunks(before, after string) ([]Hunk, error) {
	edits := udiff.Lines(after, before)
	udiff.SortEdits(edits)
	var all []Hunk
	for _, e := range edits {
		n := len(all) - 1
		if n >= 0 {
			last := all[n].edits[len(all[n].edits)-1]
			if strings.Count(after[last.End:e.Start], "\n") <= 2*around {
				all[n].edits = append(all[n].edits, e)
				continue
			}
		}
		all = append(all, Hunk{edits: []udiff.Edit{e}})
	}
	for i := range all {
		back, err := udiff.Apply(after, all[i].edits)
		if err != nil {
			return nil, err
		}
		text, err := udiff.ToUnified("", "", back, udiff.Lines(back, after), around)
		if err != nil {
			return nil, err
		}
		_, all[i].Text, _ = strings.Cut(text, "@@")
		all[i].Text = "@@" + all[i].Text
	}
	return all, nil
}

// TakeBack is the text without the changes of some hunks.
func TakeBack(after string, hunks []Hunk) (string, error) {
	var edits []udiff.Edit
	for _, h := range hunks {
		edits = append(edits, h.edits...)
	}
	return udiff.Apply(after, edits)
}

// Hunk prints one.
func (p *Printer) Hunk(h Hunk) error {
	var b strings.Builder
	for line := range strings.Lines(h.Text) {
		p.diffLine(&b, strings.TrimSuffix(line, "\n"))
	}
	_, err := p.To.Write([]byte(b.String()))
	return err
}
