//go:build linux

package store

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// onLoop is a filesystem of a kind in a file, mounted for the test.
func onLoop(t testing.TB, kind string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a filesystem of its own")
	}
	mkfs, err := exec.LookPath("mkfs." + kind)
	if err != nil {
		t.Skipf("mkfs.%s is missing", kind)
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 400<<20),
		os.Mkdir(at, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{mkfs, "-q", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return at
}

// Where the filesystem can, a big file takes no room in the store; and what is in the store stays
// when the file is changed in place.
func TestBigFilesAreCloned(t *testing.T) {
	for _, kind := range []string{"xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			at := onLoop(t, kind)
			want := random(1, 20*PieceSize+5000) // with a ragged end
			name := filepath.Join(at, "file")
			if err := os.WriteFile(name, want, 0o600); err != nil {
				t.Fatal(err)
			}
			unix.Sync()
			before := free(t, at)
			s := openStore(t, filepath.Join(at, "store"))
			release, err := s.Shared(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p := begin(t, s)
			d, err := p.PutFile(f, int64(len(want)))
			if err != nil {
				t.Fatal(err)
			}
			small, err := p.Put([]byte("and what comes after it"))
			if err != nil {
				t.Fatal(err)
			}
			mustSeal(t, p, true)
			m, err := s.NewManifest()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []Digest{d, small} {
				if _, err := m.Write(d[:]); err != nil {
					t.Fatal(err)
				}
			}
			id, err := m.Seal(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			unix.Sync()
			if took := before - free(t, at); took > int64(len(want))/10 {
				t.Errorf("the store takes %d bytes of a file of %d", took, len(want))
			}
			if _, err := f.WriteAt(random(2, 10_000), PieceSize-5000); err != nil {
				t.Fatal(err)
			}
			if got, err := content(s, d); !bytes.Equal(got, want) || err != nil {
				t.Errorf("after the file was changed: %d bytes, %v", len(got), err)
			}

			// What is changed takes what was changed; the pieces that are known are given back.
			again := begin(t, s)
			if _, err := again.PutFile(f, int64(len(want))); err != nil {
				t.Fatal(err)
			}
			mustSeal(t, again, true)
			unix.Sync()
			if took := before - free(t, at); took > int64(len(want))/5 {
				t.Errorf("with the second the store takes %d bytes of a file of %d", took, len(want))
			}

			// It is cloned once more when its pack is written anew, since much of that is dead.
			dead := begin(t, s)
			if _, err := dead.Put([]byte("dead")); err != nil {
				t.Fatal(err)
			}
			mustSeal(t, dead, true)
			release()
			prune(t, s, keep(id))
			unix.Sync()
			if took := before - free(t, at); took > int64(len(want))/5 {
				t.Errorf("after pruning the store takes %d bytes of a file of %d", took, len(want))
			}
			if got, err := content(openStore(t, filepath.Join(at, "store")), d); err != nil ||
				!bytes.Equal(got, want) {
				t.Errorf("after pruning: %d bytes, %v", len(got), err)
			}
		})
	}
}

// free is how many bytes of a filesystem nobody uses.
func free(t testing.TB, at string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bfree) * st.Bsize
}
