// Command interop has cosign verify what nono signs, and nono what cosign signs.
//
//	go run ./test/interop -cosign bin/cosign/cosign
//
// Each must accept what the other made, and refuse it once a byte of the file was changed. cosign
// is run with a key and offline: the kernel kills it for making a socket of any kind.
//
// With -record it writes what cosign made into a directory, for the test that has no cosign.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keyid"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/test/nosockets"
)

// offline makes this program one that gives up sockets and becomes the rest of its command line.
const offline = "offline"

func main() {
	if len(os.Args) > 2 && os.Args[1] == offline {
		fmt.Fprintln(os.Stderr, "interop:", become(os.Args[2:]))
		os.Exit(1)
	}
	cosign := flag.String("cosign", "bin/cosign/cosign", "cosign's program")
	record := flag.String("record", "", "a directory for what cosign made")
	flag.Parse()
	if err := run(*cosign, *record); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func become(args []string) error {
	if err := nosockets.Forbid(); err != nil {
		return err
	}
	return unix.Exec(args[0], args, os.Environ())
}

// bench is where both tools work.
type bench struct {
	self, cosign, dir string
}

func run(cosign, record string) error {
	cosign, err := filepath.Abs(cosign)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nono-interop-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := bench{self: self, cosign: cosign, dir: dir}
	if err := b.write("CLAUDE.md", []byte("be kind\n")); err != nil {
		return err
	}
	if err := b.write("evil.md", []byte("be evil\n")); err != nil {
		return err
	}
	// That a socket is death, or all that follows would show nothing of it.
	if out, err := b.offline("python3", "-c", "import socket; socket.socket()"); err == nil ||
		!strings.Contains(err.Error(), "bad system call") {
		return fmt.Errorf("who makes a socket is not killed: %s", out)
	}
	if err := b.oursToCosign(); err != nil {
		return fmt.Errorf("what nono signs: %w", err)
	}
	if err := b.cosignsToOurs(); err != nil {
		return fmt.Errorf("what cosign signs: %w", err)
	}
	if record == "" {
		return nil
	}
	for _, name := range []string{"CLAUDE.md", "cosign.pub", "attested.json", "signed.json"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(record, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b bench) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(b.dir, name), content, 0o600)
}

// offline runs a program without sockets, in the bench's directory, with that as its home.
func (b bench) offline(args ...string) (string, error) {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return "", err
	}
	cmd := exec.Command(b.self, append([]string{offline, program}, args[1:]...)...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "COSIGN_PASSWORD=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// accepts has cosign do something that has to work.
func (b bench) accepts(args ...string) error {
	if out, err := b.offline(append([]string{b.cosign}, args...)...); err != nil {
		return fmt.Errorf("cosign %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// refuses has it do something that must not work, and why.
func (b bench) refuses(says string, args ...string) error {
	out, err := b.offline(append([]string{b.cosign}, args...)...)
	switch {
	case err == nil:
		return fmt.Errorf("cosign %s accepts it\n%s", strings.Join(args, " "), out)
	case !strings.Contains(out, says):
		return fmt.Errorf("cosign %s: %w, and not with %q\n%s", strings.Join(args, " "), err, says, out)
	}
	return nil
}

// oursToCosign signs two files in one statement, and has cosign verify each.
func (b bench) oursToCosign() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if err := b.write("nono.pub", public); err != nil {
		return err
	}
	text, err := bundle.Sign(statement.Statement{
		Subjects: []statement.Subject{
			{Name: "CLAUDE.md", SHA256: sha256.Sum256([]byte("be kind\n"))},
			{Name: "skills/é.md", SHA256: sha256.Sum256(nil)},
		},
		Closed: []string{"skills/**"},
	}, key)
	if err != nil {
		return err
	}
	if err := b.write("nono.json", text); err != nil {
		return err
	}
	if err := b.write("empty.md", nil); err != nil {
		return err
	}
	verify := func(bundle, file string) []string {
		return []string{
			"verify-blob-attestation", "--key", "nono.pub", "--bundle", bundle,
			"--insecure-ignore-tlog=true", "--type", statement.Predicate, file,
		}
	}
	for _, file := range []string{"CLAUDE.md", "empty.md"} {
		if err := b.accepts(verify("nono.json", file)...); err != nil {
			return err
		}
		fmt.Printf("cosign accepts what nono signed: %s\n", file)
	}
	if err := b.refuses("digest", verify("nono.json", "evil.md")...); err != nil {
		return err
	}
	fmt.Println("cosign refuses it for another file")
	changed := bytes.Replace(text, []byte(`"sig": "ME`), []byte(`"sig": "MF`), 1)
	if err := b.write("changed.json", changed); err != nil {
		return err
	}
	if err := b.refuses("signature", verify("changed.json", "CLAUDE.md")...); err != nil {
		return err
	}
	fmt.Println("cosign refuses it with another signature")
	return nil
}

// cosignsToOurs has cosign make a statement of a file, and a signature of its bytes.
func (b bench) cosignsToOurs() error {
	if err := b.accepts("generate-key-pair"); err != nil {
		return err
	}
	if err := b.write("predicate.json", []byte(`{"note": "by cosign"}`)); err != nil {
		return err
	}
	alone := []string{"--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false"}
	attest := append([]string{
		"attest-blob", "--predicate", "predicate.json", "--bundle", "attested.json", "CLAUDE.md",
	}, alone...)
	sign := append([]string{"sign-blob", "--bundle", "signed.json", "CLAUDE.md"}, alone...)
	for _, args := range [][]string{attest, sign} {
		if err := b.accepts(args...); err != nil {
			return err
		}
	}
	public, err := os.ReadFile(filepath.Join(b.dir, "cosign.pub"))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(public)
	if block == nil {
		return errors.New("cosign's public key is not in PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("cosign's public key is a %T", parsed)
	}
	id, err := keyid.Of(key)
	if err != nil {
		return err
	}
	v := bundle.Verifier{Keys: map[keyid.ID]*ecdsa.PublicKey{id: key}}
	want := sha256.Sum256([]byte("be kind\n"))
	attested, err := b.verified("attested.json", v)
	if err != nil {
		return err
	}
	subjects := attested.Statement.Subjects
	if len(subjects) != 1 || subjects[0] != (statement.Subject{Name: "CLAUDE.md", SHA256: want}) {
		return fmt.Errorf("the statement is %+v", attested.Statement)
	}
	fmt.Println("nono accepts cosign's attest-blob")
	signed, err := b.verified("signed.json", v)
	if err != nil {
		return err
	}
	if signed.Digest != want {
		return fmt.Errorf("the message's digest is %x", signed.Digest)
	}
	fmt.Println("nono accepts cosign's sign-blob")
	for _, name := range []string{"attested.json", "signed.json"} {
		if got, err := b.verified(name, bundle.Verifier{}); !errors.Is(err, bundle.ErrUnknownKey) {
			return fmt.Errorf("%s, with nobody trusted: %+v, %w", name, got, err)
		}
	}
	fmt.Println("nono refuses both where the key is not trusted")
	return nil
}

func (b bench) verified(name string, v bundle.Verifier) (bundle.Signed, error) {
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		return bundle.Signed{}, err
	}
	parsed, err := bundle.Parse(text)
	if err != nil {
		return bundle.Signed{}, err
	}
	return parsed.Verify(v)
}
