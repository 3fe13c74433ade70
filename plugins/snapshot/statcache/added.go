//go:build linux

package statcache

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
)

// runRecords is how many records are in memory at most, 4 MiB, before they are written beside the
// cache, in order: a run.
const runRecords = 1 << 16

// added is what was added of a device.
type added struct {
	records records // not in order
	runs    []int64 // how long each is
	file    *os.File
	err     error
}

func (a *added) none() bool { return len(a.records) == 0 && len(a.runs) == 0 && a.err == nil }

// add adds a record. Its error comes when they are saved.
func (a *added) add(root *os.Root, s *beneath.Stat, attributes bool, content store.Digest) {
	a.records = appendRecord(a.records, s, attributes, content)
	if a.records.len() < runRecords || a.err != nil {
		return
	}
	a.err = a.spill(root)
	a.records = a.records[:0]
}

// spill writes a run.
func (a *added) spill(root *os.Root) error {
	if a.file == nil {
		name := rand.Text() + beingWritten
		f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		a.file = f
		if err := root.Remove(name); err != nil { // it is ours alone, and goes with us
			return err
		}
	}
	run := inOrder(a.records)
	if _, err := a.file.Write(run); err != nil {
		return err
	}
	a.runs = append(a.runs, int64(len(run)))
	return nil
}

// inOrder are the runs, and what is still in memory, the last of all.
func (a *added) inOrder() ([]*stream, error) {
	if a.err != nil {
		return nil, a.err
	}
	var all []*stream
	at := int64(0)
	for _, length := range a.runs {
		all = append(all, newStream(io.NewSectionReader(a.file, at, length)))
		at += length
	}
	return append(all, newStream(bytes.NewReader(inOrder(a.records)))), nil
}

func (a *added) clear() {
	if a.file != nil {
		a.file.Close()
	}
	*a = added{}
}
