package copies

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Sync makes both the same again: what became of the copy goes to the host, and then the copy is
// what the host has. was is what both had the last time, as Sync returned it; "" for no file.
//
// A file of the host's that is none by itself (a link, or one with another name) is left alone, as
// one is that is too large, and the copy with it: what is behind it may be denied to the agent.
func (p Pair) Sync(where Where, was string) (o Outcome, now string) {
	f := file{
		path: p.Path, inside: int(p.Inside.Fd()), host: int(p.Host.Fd()), most: MostKept,
	}
	if sum, err := hex.DecodeString(was); err == nil && len(sum) == len(f.digest) {
		f.digest = digest(sum)
	}
	o = Outcome{Path: p.Path, Result: Unchanged}
	host, err := f.hosts()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, was
	}
	_ = host.Close() // also where there is none
	var st unix.Stat_t
	if unix.Fstatat(f.inside, f.name(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		s := Set{where: where}
		o = s.bringBack(f)
		o.Path = p.Path
		if o.Result == Left || o.Failed() {
			return o, was
		}
	}
	now, err = f.renew(was)
	if err != nil {
		return Outcome{Path: p.Path, Result: Left, Why: "inside " + why(err)}, was
	}
	return o, now
}

// renew makes the copy what the host has, and returns the digest of that.
func (f file) renew(was string) (string, error) {
	host, err := f.hosts()
	if errors.Is(err, fs.ErrNotExist) {
		if was == "" {
			return "", nil // nobody has it, or the agent alone has
		}
		err = unix.Unlinkat(f.inside, f.name(), 0) // the user has removed it
		if errors.Is(err, unix.ENOENT) {
			err = nil
		}
		return "", err
	}
	if err != nil {
		return "", err
	}
	defer host.Close()
	content, err := f.digestOf(host)
	if err != nil {
		return "", err
	}
	now := hex.EncodeToString(content[:])
	if copied, err := open(f.inside, f.name()); err == nil {
		has, err := f.digestOf(copied)
		_ = copied.Close()
		if err == nil && has == content {
			return now, nil
		}
	}
	name := ".nono-" + strings.ToLower(rand.Text())
	// A run waits for it, and it can be made again: it need not last.
	if err := f.put(f.inside, name, host, func(*os.File) error { return nil }); err != nil {
		return "", err
	}
	if err := unix.Renameat(f.inside, name, f.inside, f.name()); err != nil {
		return "", errors.Join(err, unix.Unlinkat(f.inside, name, 0))
	}
	return now, nil
}

// errShared is why a file is left alone.
var errShared = errors.New("it has other names")

// hosts is the host's file, where it is one by itself.
func (f file) hosts() (*os.File, error) {
	host, err := open(f.host, f.name())
	if errors.Is(err, errGone) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(host.Fd()), &st)
	switch {
	case err != nil:
	case st.Nlink != 1:
		err = errShared
	case st.Size > f.most:
		err = errMost
	default:
		return host, nil
	}
	return nil, errors.Join(err, host.Close())
}
