// Package skeleton is a layer to begin with: the files of a program in Go that gives the agent one
// variable, and keeps every promise that a layer makes.
//
//	files, err := skeleton.Of("acme/motd")
//	for _, f := range files { ... }
package skeleton

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/nono-run/nono/sdk/wire"
)

// The files are those of the layer acme/motd, each with .txt behind its name: they are no part of
// this module.
//
//go:embed layer
var layer embed.FS

// The names in them, of which the vendor's contains the layer's own.
const (
	sample     = "acme/motd"
	sampleName = "motd"
)

// File is one file of a skeleton.
type File struct {
	Name    string
	Content string
}

// Of is the skeleton of the layer VENDOR/NAME.
func Of(name string) ([]File, error) {
	_, last, of := strings.Cut(name, "/")
	if err := wire.LayerName(name); err != nil {
		return nil, err
	}
	if !of {
		return nil, fmt.Errorf("%s has no vendor: your layer is called VENDOR/NAME", name)
	}
	named := strings.NewReplacer(sample, name, sampleName, last)
	var files []File
	err := fs.WalkDir(layer, ".", func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := layer.ReadFile(at)
		files = append(files, File{
			strings.TrimSuffix(path.Base(at), ".txt"), named.Replace(string(content)),
		})
		return err
	})
	return files, err
}

// Program is what the layer's program is called.
func Program(name string) string { return "nono-layer-" + path.Base(name) }
