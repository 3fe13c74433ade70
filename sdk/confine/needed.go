package confine

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// resolverFiles are what Go's resolver reads, again and again for as long as it runs.
var resolverFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}

// certificatePlaces are where systems keep the certificates that they trust, and what the links in
// those directories lead to. They hold no keys.
var certificatePlaces = []string{
	"/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/certs",
	"/etc/pki/tls/cert.pem",
	"/etc/pki/tls/certs",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted",
	"/etc/ca-certificates/extracted",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/usr/share/pki/trust",
	"/var/lib/ca-certificates",
}

// Resolver is what Go's resolver reads to find a host's address: its files, and the directories in
// which they lie, so that a file that is replaced (when a computer joins another network, for one)
// is still found. See withDirectory for what is no such directory.
func Resolver() []string { return resolver(hostfile.Once(hostfile.Host)) }

func resolver(look hostfile.Look) []string {
	var all []string
	for _, f := range resolverFiles {
		all = append(all, withDirectory(look, f)...)
	}
	return all
}

// certificateDirs are those of the places in which Go reads each file.
var certificateDirs = []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}

// mostCertificates is how many files are looked at in each of them.
const mostCertificates = 4096

// Certificates is where the system keeps the certificates that it trusts, for a process that checks
// a server's: directories, and files elsewhere to which links in them lead. The paths are without
// links; what cannot be looked at is not among them. It says nothing of what a user names in
// SSL_CERT_FILE or SSL_CERT_DIR.
func Certificates() []string { return certificates(certificatePlaces, certificateDirs) }

func certificates(places, dirs []string) []string {
	look := hostfile.Once(hostfile.Host)
	var all []string
	for _, place := range places {
		if route, err := hostfile.Follow(look, place); err == nil {
			all = append(all, route.Path)
		}
	}
	known := all
	for _, dir := range dirs {
		for _, to := range linked(dir) {
			if slices.ContainsFunc(known, func(at string) bool { return policy.Within(to, at) }) {
				continue
			}
			if route, err := hostfile.Follow(look, to); err == nil &&
				route.Entry.Type == policy.Regular {
				all = append(all, route.Path)
			}
		}
	}
	return all
}

// linked are the directory's links to what lies elsewhere. There are hundreds of links in one with
// certificates, and most lead to another file in it.
func linked(dir string) []string {
	names, err := hostfile.Names(dir, mostCertificates)
	if err != nil {
		return nil // it is not there, or a link to another of the places
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	var all []string
	buf := make([]byte, unix.PathMax)
	for _, name := range names {
		n, err := unix.Readlinkat(fd, name, buf)
		if err != nil || bytes.IndexByte(buf[:n], '/') < 0 {
			continue // it is no link, or one to a file beside it
		}
		to := string(buf[:n])
		if !path.IsAbs(to) {
			to = path.Join(dir, to)
		}
		all = append(all, to)
	}
	return all
}

// withDirectory is a file, and the directory in which it lies when all links have been followed.
//
// The directory is not among them where this user can change what is in it, as root can in all of
// /etc: modes keep nothing in it from him, and private keys lie there. Nor is one that stands in
// the root, /etc apart: beneath /run and /home is what belongs to users.
func withDirectory(look hostfile.Look, file string) []string {
	all := []string{file}
	route, err := hostfile.Follow(look, file)
	replaced := route.Entry.Type == policy.Regular || route.Entry.Type == policy.Missing
	if err != nil || !replaced {
		return all
	}
	dir := path.Dir(route.Path)
	e, err := look(dir)
	deep := strings.Count(dir, "/") > 1 || dir == "/etc"
	if err == nil && e.Fixed && deep {
		all = append(all, dir)
	}
	return all
}
