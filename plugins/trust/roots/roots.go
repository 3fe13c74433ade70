// Package roots asks whether a bundle that was signed with a certificate is one that a trusted root
// vouches for, and never connects to anything for it.
//
//	text, err := roots.Read(path, uid)
//	program, err := roots.Beside()
//	asker := roots.Asker{Program: program, Roots: [][]byte{text}}
//	signed, err := b.Verify(bundle.Verifier{
//		Identities: identities,
//		Authority:  func(text []byte) (bundle.Certified, error) { return asker.Verify(ctx, text) },
//	})
//
// A root is a file that the user's own configuration names: a trusted_root.json, as Sigstore has
// it, with the authorities whose certificates count, and those whose word on the time of a
// signature counts.
//
// The answer is Sigstore's own library's. It is some seventy modules large, and to have it in a
// program costs 4 ms of processor each time that starts. So it is in a program of its own,
// nono-trust-roots, which is run for bundles that have a certificate and for no others. That is
// told the roots and one bundle, on its standard input, and can neither read nor write a file.
package roots

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// MaxRoot is how long a trusted root may be; Sigstore's own has 7 KB.
const MaxRoot = 1 << 20

const (
	programName = "nono-trust-roots"
	// mostRoots bounds how often one bundle is looked at.
	mostRoots = 16
	// patience is for a machine that has no time; an answer takes 30 ms.
	patience = 30 * time.Second
	// toDie is how long a program that was killed may keep its output open.
	toDie = 200 * time.Millisecond
	// mostAnswer is more than any answer has, and mostSaid what is repeated of a failure.
	mostAnswer = 64 << 10
	mostSaid   = 300
)

// Why a certificate does not count. What [Asker.Verify] and package certify say wraps one of them.
var (
	ErrRoot      = errors.New("a trusted root cannot be read")
	ErrChain     = errors.New("no trusted root vouches for its certificate")
	ErrUsage     = errors.New("its certificate is not one for signing code")
	ErrExpired   = errors.New("its certificate was not valid when it was signed")
	ErrTimestamp = errors.New("it says when it was signed, and no trusted root vouches for that")
	ErrNames     = errors.New("its certificate does not say who signed, one person or machine," +
		" and who found that out")
	// ErrRefused is for all else that Sigstore's library finds wrong.
	ErrRefused = errors.New("it does not verify")
)

// kinds are the errors as they are written in an answer.
var kinds = map[string]error{
	"root": ErrRoot, "chain": ErrChain, "usage": ErrUsage, "expired": ErrExpired,
	"timestamp": ErrTimestamp, "names": ErrNames, "refused": ErrRefused,
}

// question is what the program is told, and answer what it says.
type (
	question struct {
		Roots  [][]byte `json:"roots"`
		Bundle []byte   `json:"bundle"`
	}
	answer struct {
		Name   string `json:"name,omitzero"`
		Issuer string `json:"issuer,omitzero"`
		Digest []byte `json:"digest,omitzero"`

		// Refused is one of kinds, and Says the error in full.
		Refused string `json:"refused,omitzero"`
		Says    string `json:"says,omitzero"`
	}
)

// Asker asks a program about bundles. Many may ask at once; each has a process of its own.
type Asker struct {
	// Program is the path of nono-trust-roots.
	Program string
	// Roots are the texts of trusted roots, one of which has to vouch for a bundle.
	Roots [][]byte
}

// Read reads a root. A file that others than the user or root can write to is refused: who can
// change it can vouch for anybody. The error does not name it.
func Read(path string, uid int) ([]byte, error) {
	text, err := ownfile.Read(path, ownfile.Guard{
		UID: uid, Closed: 0o022, Could: "vouch for anybody", Most: MaxRoot,
	})
	if err == nil && len(text) > MaxRoot {
		err = fmt.Errorf("it is longer than the %d bytes that are read", MaxRoot)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	return text, nil
}

// Beside finds nono-trust-roots beside the running program, as all of nono's programs are.
func Beside() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = hostfile.Resolve(exe)
	}
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", programName, err)
	}
	return beside(exe)
}

// beside trusts the directory, from which the running program was started. Its file is looked at:
// it alone may be writable for others.
func beside(exe string) (string, error) {
	program := filepath.Join(filepath.Dir(exe), programName)
	var st unix.Stat_t
	if err := unix.Lstat(program, &st); err != nil {
		return "", fmt.Errorf("finding %s, which checks certificates: %w; install all of nono's"+
			" programs into one directory", program, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", fmt.Errorf("%s is not a regular file, and is not run", program)
	}
	if hostfile.OthersWrite(&st) {
		return "", fmt.Errorf("others may write to %s, so it is not run", program)
	}
	return program, nil
}

// Verify asks about the text of one bundle.
func (a *Asker) Verify(ctx context.Context, text []byte) (bundle.Certified, error) {
	certified, err := a.ask(ctx, text)
	if err != nil {
		return bundle.Certified{}, fmt.Errorf("checking a certificate: %w", err)
	}
	return certified, nil
}

func (a *Asker) ask(ctx context.Context, text []byte) (bundle.Certified, error) {
	in, err := json.Marshal(question{Roots: a.Roots, Bundle: text})
	if err != nil {
		return bundle.Certified{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	//nolint:forbidigo // a program of nono's own, beside this one; Sigstore's library is in it
	cmd := exec.CommandContext(ctx, a.Program)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.WaitDelay = toDie
	out, said := &head{most: mostAnswer + 1}, &head{most: mostSaid}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), out, said
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return bundle.Certified{}, fmt.Errorf("%s did not answer: %w", programName, ctx.Err())
	case err != nil:
		return bundle.Certified{}, fmt.Errorf("%s failed: %w: %s", programName, err,
			policy.Printable(string(bytes.TrimSpace(said.kept))))
	}
	return read(out.kept)
}

// read is what an answer says. The program has read a stranger's file, so it is not taken at every
// word.
func read(text []byte) (bundle.Certified, error) {
	var got answer
	if len(text) > mostAnswer {
		return bundle.Certified{}, fmt.Errorf("%s said too much", programName)
	}
	if err := json.Unmarshal(text, &got, json.RejectUnknownMembers(true)); err != nil {
		return bundle.Certified{}, fmt.Errorf("what %s said: %w", programName, err)
	}
	if got.Refused != "" {
		kind, known := kinds[got.Refused]
		if !known {
			kind = ErrRefused
		}
		return bundle.Certified{}, refusal{kind: kind, says: policy.Printable(got.Says)}
	}
	if got.Name == "" || got.Issuer == "" || len(got.Digest) != sha256.Size {
		return bundle.Certified{}, fmt.Errorf("%s vouched for nobody", programName)
	}
	return bundle.Certified{
		Identity: bundle.Identity{Name: got.Name, Issuer: got.Issuer},
		Digest:   [sha256.Size]byte(got.Digest),
	}, nil
}

// refusal is an error of the program's, as it said it there.
type refusal struct {
	kind error
	says string
}

func (r refusal) Error() string { return r.says }
func (r refusal) Unwrap() error { return r.kind }

// head keeps the beginning of what is written, and takes the rest as well.
type head struct {
	most int
	kept []byte
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.most-len(h.kept))]...)
	return len(p), nil
}
