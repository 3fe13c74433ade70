// Package apparmor has the profile of nono's that packages install; its text says what it is for.
package apparmor

import (
	_ "embed" // for the profile
	"fmt"
	"strings"
)

//go:embed nono
var profile string

// programs is the line that says where nono is.
const programs = "@{nono}=/usr/bin/nono /usr/local/bin/nono\n"

// At is the profile of a nono that lies at this path.
func At(path string) (string, error) {
	// What an attachment takes for a pattern, or for its end.
	if strings.ContainsAny(path, "*?[]{}^\"\\,#@ \t\n") {
		return "", fmt.Errorf("%q cannot be the name of a program in a profile of AppArmor's", path)
	}
	return strings.Replace(profile, programs, "@{nono}="+path+"\n", 1), nil
}
