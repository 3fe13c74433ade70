// Command interop has cosign verify what nono signs, and nono what cosign signs.
//
//	go run ./test/interop -nono bin/nono -cosign bin/cosign/cosign
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

	"filippo.io/age"
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
	nono := flag.String("nono", "bin/nono", "nono's program, with its layers beside it")
	cosign := flag.String("cosign", "bin/cosign/cosign", "cosign's program")
	record := flag.String("record", "", "a directory for what cosign made")
	flag.Parse()
	if err := run(*nono, *cosign, *record); err != nil {
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
	self, nono, cosign, dir string
}

func run(nono, cosign, record string) error {
	nono, err := filepath.Abs(nono)
	if err != nil {
		return err
	}
	cosign, err = filepath.Abs(cosign)
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
	b := bench{self: self, nono: nono, cosign: cosign, dir: dir}
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
	if err := b.byCommand(); err != nil {
		return fmt.Errorf("nono's commands: %w", err)
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

// byCommand does both once more as a user does: with `nono trust`.
func (b bench) byCommand() error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := b.write("identity.txt", []byte(identity.String()+"\n")); err != nil {
		return err
	}
	var public string
	for _, args := range [][]string{
		{"keygen", "default", "--identity", "identity.txt"},
		{"sign", "CLAUDE.md"},
		{"export-key"},
	} {
		if public, err = b.trust(args...); err != nil {
			return err
		}
	}
	if err := b.write("exported.pub", []byte(public)); err != nil {
		return err
	}
	err = b.accepts("verify-blob-attestation", "--key", "exported.pub",
		"--bundle", "CLAUDE.md.sigstore.json", "--insecure-ignore-tlog=true",
		"--type", statement.Predicate, "CLAUDE.md")
	if err != nil {
		return err
	}
	fmt.Println("cosign accepts what `nono trust sign` wrote, with the key of `nono trust export-key`")
	// Who signed a file is remembered, and cosign's key is another.
	for _, args := range [][]string{
		{"add", "cosign.pub", "--name", "cosign"},
		{"forget", "CLAUDE.md"},
	} {
		if _, err := b.trust(args...); err != nil {
			return err
		}
	}
	for _, name := range []string{"attested.json", "signed.json"} {
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			return err
		}
		if err := b.write("CLAUDE.md.sigstore.json", text); err != nil {
			return err
		}
		out, err := b.trust("verify", "CLAUDE.md")
		if err != nil {
			return err
		}
		if !strings.Contains(out, `verified: CLAUDE.md, signed by key "cosign"`) {
			return fmt.Errorf("nono trust verify said %q", out)
		}
	}
	fmt.Println("`nono trust verify` accepts both of cosign's, once its key was added")
	return nil
}

// trust runs one of the layer's commands, which has to work, and returns what it printed.
func (b bench) trust(args ...string) (string, error) {
	cmd := exec.Command(b.nono, append([]string{"trust"}, args...)...)
	cmd.Dir = b.dir
	cmd.Env = []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH")}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("nono trust %s: %w\n%s%s", strings.Join(args, " "), err, &out, &said)
	}
	return out.String(), nil
}
