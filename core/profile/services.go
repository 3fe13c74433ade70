package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/profiles"
)

// Services finds what is known of a service that takes a key, by its name: those that are built in,
// and the user's own.
//
//	s := profile.Services{Own: "/home/ada/.config/nono/services"}
//	p, err := s.Find("openai") // built in, unless ada has one of this name
type Services struct {
	// Own is the directory of the user's. It need not exist; empty means that there are none.
	Own string
}

// Find is what is known of the service; fs.ErrNotExist where nothing is. One of the user's own
// takes the place of a built-in one.
func (s Services) Find(name string) (Profile, error) {
	if !isName(name) {
		return Profile{}, noName(name, "a service")
	}
	if s.Own != "" {
		path := filepath.Join(s.Own, name+extensions[0])
		_, err := os.Lstat(path)
		if err == nil {
			return read(name, Own, path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Profile{}, unreadable(path, err)
		}
	}
	file := "services/" + name + extensions[0]
	text, err := profiles.Services.ReadFile(file)
	return Profile{Name: name, Origin: BuiltIn, File: file, Text: text}, err
}

// Names are those of all services, in order.
func (s Services) Names() ([]string, error) {
	files, err := profiles.Services.ReadDir("services")
	if err != nil {
		panic(err) // it is part of the program
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), extensions[0]))
	}
	own, err := listOwn(s.Own, extensions[:1])
	if err != nil {
		return nil, fmt.Errorf("listing your services: %w", err)
	}
	names = append(names, own...)
	slices.Sort(names)
	return slices.Compact(names), nil
}
