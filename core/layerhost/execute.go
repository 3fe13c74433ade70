package layerhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// start runs the program, if it is permitted: command makes the rest of what the process is started
// with, once for each try. No process of a layer's is started but here.
//
// Where the host lets nobody run what lies in the user's directories, a kept copy is refused. Then
// it is sealed in memory, as a new one is.
func (b *Binary) start(command func() *exec.Cmd) (*exec.Cmd, error) {
	if err := b.Permitted(); err != nil {
		return nil, err
	}
	cmd, err := b.tryStart(command)
	if !b.kept || !errors.Is(err, fs.ErrPermission) {
		return cmd, err
	}
	if err := b.seal(); err != nil {
		return nil, fmt.Errorf("copying its kept copy, which may not be run: %w", err)
	}
	return b.tryStart(command)
}

// tryStart waits for a copy that is "text file busy": it is that for as long as a process that was
// being forked when it was written has not yet executed its own program, which takes milliseconds.
func (b *Binary) tryStart(command func() *exec.Cmd) (*exec.Cmd, error) {
	for wait := time.Millisecond; ; wait *= 2 {
		cmd := command()
		b.execute(cmd)
		err := cmd.Start()
		if !errors.Is(err, syscall.ETXTBSY) || wait > time.Second {
			return cmd, err
		}
		<-time.After(wait)
	}
}

// seal puts a sealed copy in the place of the kept one, whose digest it has to have.
func (b *Binary) seal() error {
	content, err := reopen(b.copied)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	sealed, err := sealedCopy(b.Name, content)
	if err != nil {
		return err
	}
	if err := b.check(sealed); err != nil {
		return errors.Join(err, sealed.Close())
	}
	kept := b.copied
	b.copied, b.kept = sealed, false
	return kept.Close()
}

// check holds a copy against the digest that was permitted.
func (b *Binary) check(sealed *os.File) error {
	permitted, err := b.digest()
	if err != nil {
		return err
	}
	digest, err := digestOf(sealed)
	if err != nil {
		return err
	}
	is, err := digest()
	if err == nil && is != permitted {
		err = errors.New("it is not what was kept; run with --fresh")
	}
	return err
}

// execute makes this the program of a command.
func (b *Binary) execute(cmd *exec.Cmd) {
	cmd.Path, cmd.Args = b.Path, []string{layerPrefix + filepath.Base(b.Name)}
	if b.copied == nil {
		return
	}
	// The copy stays open in the child, for a script's interpreter opens it by this name once more.
	cmd.ExtraFiles = append(cmd.ExtraFiles, b.copied)
	const firstExtra = 3
	cmd.Path = fmt.Sprintf("/proc/self/fd/%d", firstExtra+len(cmd.ExtraFiles)-1)
}
