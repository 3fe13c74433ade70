package source

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// fromFile reads a file that only its owner can.
func (r *Reader) fromFile(path string) ([]byte, error) {
	key, err := ownfile.Read(path, ownfile.Guard{
		UID: r.UID, Closed: ownfile.Anything, Could: "read the key or change it", Most: longest,
	})
	return key, missing(err)
}

// fromAge is what an encrypted file holds.
func (r *Reader) fromAge(ctx context.Context, s policy.KeySource) ([]byte, error) {
	file := agefile.File{Path: s.Name, UID: r.UID}
	if len(s.Args) > 0 {
		file.Identity = s.Args[0]
	}
	key, err := file.Open(ctx, r.Passphrases)
	if errors.Is(err, agefile.ErrUnasked) {
		return nil, absent(err.Error())
	}
	return key, missing(err)
}

// missing is the error of a file that is not there as that of a source which has no key.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return absent("there is no such file")
	}
	return err
}

// exists reports whether something is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
