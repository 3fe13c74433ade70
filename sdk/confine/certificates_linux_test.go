package confine

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCertificates(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"certs", "shared", "own", "other"} {
		if err := os.Mkdir(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"certs/a.pem", "shared/b.pem", "own/c.pem", "other/key"} {
		if err := os.WriteFile(at(file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"certs/1.0": "a.pem", "certs/b.pem": at("shared/b.pem"), "certs/c.pem": "../own/link",
		"own/link": at("own/c.pem"), "certs/dir": at("other"), "certs/gone": at("gone"), "also": at("certs"),
	} {
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	got := certificates([]string{at("also"), at("shared"), at("missing")}, []string{at("certs"), at("also")})
	want := []string{at("certs"), at("shared"), at("missing"), at("own/c.pem")}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// trustOrders has this program say how many certificates Go trusts when it is confined: to these
// places, or to nothing.
const trustOrders = "CONFINE_TEST_TRUST"

func trust(orders string) {
	var read []string // and not the resolver's places: for an ordinary user they have all of /etc
	if orders == "certificates" {
		read = Certificates()
	}
	if orders != "free" {
		if _, err := Self(read...); errors.Is(err, ErrUnsupported) {
			fmt.Print("unsupported")
			return
		} else if err != nil {
			fmt.Print(err)
			return
		}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	//nolint:staticcheck // what Subjects may leave out are those of other systems than Linux
	fmt.Print(len(pool.Subjects()), " certificates")
}

// A confined process reads what the system trusts when it needs to.
func TestTheSystemsCertificatesAreLeft(t *testing.T) {
	said := map[string]string{}
	for _, orders := range []string{"free", "certificates", "nothing"} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = []string{trustOrders + "=" + orders}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		said[orders] = string(out)
	}
	switch {
	case said["nothing"] == "unsupported":
		t.Skip("the kernel has no Landlock")
	case strings.HasPrefix(said["free"], "0 "):
		t.Skip("this system trusts no certificate")
	}
	if said["certificates"] != said["free"] || said["nothing"] != "0 certificates" {
		t.Errorf("found: %v", said)
	}
}
