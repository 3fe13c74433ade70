package base

import (
	"io/fs"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// anchors are where the administrator of a host puts certificates that it is to trust beside those
// which everybody does.
var anchors = []string{
	"/usr/local/share/ca-certificates",          // Debian, Alpine
	"/etc/pki/ca-trust/source/anchors",          // Fedora
	"/etc/ca-certificates/trust-source/anchors", // Arch
	"/etc/pki/trust/anchors",                    // SUSE
}

// bundles are where the host then has all of them in one file.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
	"/etc/ssl/ca-bundle.pem",             // SUSE
}

// Bundle is the file with all certificates that the host trusts, if there are any among them that
// only this host does: those of a company, say, whose proxy reads what goes through it. It is ""
// where there are none: then what programs bring along is as good.
func Bundle(list func(dir string, most int) ([]fs.DirEntry, error), look hostfile.Look) string {
	for _, dir := range anchors {
		entries, err := list(dir, 1)
		if err != nil || len(entries) == 0 {
			continue
		}
		for _, file := range bundles {
			route, err := hostfile.Follow(look, file)
			if err == nil && route.Entry.Type == policy.Regular {
				return file
			}
		}
	}
	return ""
}
