package session

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// InstalledLayer is a layer that could be used, as it describes itself.
type InstalledLayer struct {
	Name     string       `json:"name"`
	Path     string       `json:"path"`
	BuiltIn  bool         `json:"built_in"`
	Kind     policy.Kind  `json:"kind,omitempty"`
	Version  string       `json:"version,omitempty"`
	Lifetime sdk.Lifetime `json:"lifetime,omitempty"`
	Digest   string       `json:"digest,omitempty"`
	// Error says why the layer cannot be used.
	Error string `json:"error,omitempty"`
}

// Installed starts every layer that is built in or installed for the user, asks what it is, and lists the answers by name.
func Installed(ctx context.Context, own dirs.Dirs, uid int, log hclog.Logger) ([]InstalledLayer, error) {
	ctx, sig := interruptible(ctx)
	defer sig.Stop()
	bin, err := layerhost.Locate()
	if err != nil {
		return nil, err
	}
	places := layerhost.Places{Builtin: bin, Plugins: own.Plugins()}
	names, err := layerNames(places)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(own, uid)
	if err != nil {
		return nil, err
	}
	list := make([]InstalledLayer, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { list[i] = describe(ctx, name, places, dir.Path, log) })
	}
	wg.Wait()
	if err := dir.Remove(); err != nil {
		return nil, err
	}
	return list, context.Cause(ctx)
}

func describe(ctx context.Context, name string, places layerhost.Places, dir string, log hclog.Logger) InstalledLayer {
	found := InstalledLayer{Name: name}
	fail := func(err error) InstalledLayer {
		found.Error = err.Error()
		return found
	}
	binary, err := layerhost.Find(name, places)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = binary.Close() }()
	found.Path, found.BuiltIn = binary.Path, binary.Builtin
	if found.Digest, err = binary.Digest(); err != nil {
		return fail(err)
	}
	layer, err := layerhost.Start(ctx, layerhost.Spec{Name: name, Binary: binary, Dir: dir, Build: sdk.Build, Logger: log})
	if err != nil {
		return fail(err)
	}
	defer layer.Close()
	d, err := layer.Describe(ctx)
	if err != nil {
		return fail(err)
	}
	found.Kind, found.Version, found.Lifetime = d.Kind, d.Version, d.Lifetime
	return found
}

// layerNames lists the layers whose programs lie where layers are looked for, built-in ones first.
func layerNames(places layerhost.Places) ([]string, error) {
	const prefix = "nono-layer-"
	var names []string
	files, err := os.ReadDir(places.Builtin)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name(), prefix); ok && !f.IsDir() {
			names = append(names, name)
		}
	}
	programs, err := filepath.Glob(filepath.Join(places.Plugins, "*", "*", prefix+"*"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, program := range programs {
		rel, err := filepath.Rel(places.Plugins, filepath.Dir(program))
		if err == nil && prefix+filepath.Base(rel) == filepath.Base(program) {
			names = append(names, filepath.ToSlash(rel))
		}
	}
	return slices.Compact(names), nil
}
