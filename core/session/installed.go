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

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/pluginlock"
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
	// Script says that the digest covers a script, and not what runs it.
	Script bool `json:"script,omitempty"`
	// NamedBy is the line that names its path; empty for one that lies where layers are installed.
	NamedBy string `json:"named_by,omitempty"`
	// Error says why the layer cannot be used.
	Error string `json:"error,omitempty"`
}

// Installed starts every layer that is built in, installed for the user, or named by a path in one
// of the plugin blocks, asks what it is, and lists the answers: those that are built in first. A
// path goes before what is installed under the same name, as in a run.
func Installed(ctx context.Context, own dirs.Dirs, uid int, blocks []config.Plugin,
	log hclog.Logger,
) ([]InstalledLayer, error) {
	ctx, sig := interruptible(ctx)
	defer sig.Stop()
	bin, err := layerhost.Locate()
	if err != nil {
		return nil, err
	}
	places := placesOf(bin, own)
	installed, err := layerNames(places)
	if err != nil {
		return nil, err
	}
	found := candidates(installed, blocks)
	dir, err := newRunDir(own, uid)
	if err != nil {
		return nil, err
	}
	list := make([]InstalledLayer, len(found))
	var wg sync.WaitGroup
	for i, plugin := range found {
		wg.Go(func() {
			var err error
			if list[i], _, err = describe(ctx, plugin, places, dir.Path, log); err != nil {
				list[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	if err := dir.Remove(); err != nil {
		return nil, err
	}
	return list, context.Cause(ctx)
}

// describe starts a layer and asks it what it is. Where that fails, it says as much as is known.
func describe(ctx context.Context, plugin config.Plugin, places layerhost.Places, dir string,
	log hclog.Logger,
) (InstalledLayer, sdk.Description, error) {
	found := InstalledLayer{Name: plugin.Name}
	if plugin.Path != "" {
		found.Path, found.NamedBy = plugin.Path, plugin.Source.String()
	}
	binary, err := findBinary(plugin, places)
	if err != nil {
		return found, sdk.Description{}, err
	}
	defer func() { _ = binary.Close() }()
	found.Path, found.BuiltIn, found.Script = binary.Path, binary.Builtin, binary.Script
	if found.Digest, err = binary.Digest(); err != nil {
		return found, sdk.Description{}, err
	}
	layer, err := layerhost.Start(ctx, layerhost.Spec{
		Name: plugin.Name, Binary: binary, Dir: dir,
		Build: sdk.Build, Logger: log,
	})
	if err != nil {
		return found, sdk.Description{}, err
	}
	defer layer.Close()
	d, err := layer.Describe(ctx)
	if err != nil {
		return found, sdk.Description{}, err
	}
	found.Kind, found.Version, found.Lifetime = d.Kind, d.Version, d.Lifetime
	return found, d, nil
}

// LayerDetails is a layer with all that a policy can set of it.
type LayerDetails struct {
	InstalledLayer
	Settings []LayerSetting `json:"settings,omitempty"`
}

// LayerSetting is an attribute of a layer's block.
type LayerSetting struct {
	// Name of a field of an object is that of the object, a dot and its own.
	Name      string          `json:"name"`
	Type      sdk.SettingType `json:"type"`
	Required  bool            `json:"required,omitempty"`
	Default   any             `json:"default,omitempty"`
	OneOf     []string        `json:"one_of,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Help      string          `json:"help,omitempty"`
}

// ShowLayer asks one layer what it is and what can be set of it.
func ShowLayer(ctx context.Context, own dirs.Dirs, uid int, blocks []config.Plugin, name string,
	log hclog.Logger,
) (LayerDetails, error) {
	ctx, sig := interruptible(ctx)
	defer sig.Stop()
	bin, err := layerhost.Locate()
	if err != nil {
		return LayerDetails{}, err
	}
	dir, err := newRunDir(own, uid)
	if err != nil {
		return LayerDetails{}, err
	}
	plugin := config.Plugin{Name: name}
	if i := slices.IndexFunc(blocks, func(b config.Plugin) bool { return b.Name == name }); i >= 0 {
		plugin = blocks[i]
	}
	found, d, err := describe(ctx, plugin, placesOf(bin, own), dir.Path, log)
	if err == nil {
		err = context.Cause(ctx)
	}
	if removed := dir.Remove(); err == nil {
		err = removed
	}
	return LayerDetails{found, settingsOf("", d.Settings)}, err
}

func settingsOf(object string, declared []sdk.Setting) []LayerSetting {
	var all []LayerSetting
	for _, s := range declared {
		is := LayerSetting{
			Name: object + s.Name, Type: s.Type, Required: s.Required, Default: s.Default,
			OneOf: s.OneOf, Sensitive: s.Sensitive, Help: s.Help,
		}
		if s.Sensitive {
			is.Default = nil
		}
		all = append(append(all, is), settingsOf(object+s.Name+".", s.Settings)...)
	}
	return all
}

// candidates are the layers that could be used, of those that are installed and those that a block
// names. Of one that is only installed there is nothing but the name.
func candidates(installed []string, blocks []config.Plugin) []config.Plugin {
	named := slices.DeleteFunc(slices.Clone(blocks),
		func(b config.Plugin) bool { return b.Path == "" })
	var all []config.Plugin
	for _, name := range installed {
		if !slices.ContainsFunc(named, func(b config.Plugin) bool { return b.Name == name }) {
			all = append(all, config.Plugin{Name: name})
		}
	}
	return append(all, named...)
}

// placesOf are where layers are looked for, with the user's lock to decide about those that are not
// nono's own.
func placesOf(bin string, own dirs.Dirs) layerhost.Places {
	permit, kept := pluginlock.Gate(own)
	return layerhost.Places{Builtin: bin, Plugins: own.Plugins(), Permit: permit, Kept: kept}
}

// findBinary finds a layer's program where its block says, or else where layers are installed.
func findBinary(plugin config.Plugin, places layerhost.Places) (*layerhost.Binary, error) {
	if plugin.Path != "" {
		return layerhost.FindAt(plugin.Name, plugin.Path, places)
	}
	return layerhost.Find(plugin.Name, places)
}

const layerPrefix = "nono-layer-"

// layerNames lists the layers whose programs lie where layers are looked for, built-in ones first.
func layerNames(places layerhost.Places) ([]string, error) {
	var names []string
	files, err := os.ReadDir(places.Builtin)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name(), layerPrefix); ok && !f.IsDir() {
			names = append(names, name)
		}
	}
	vendors, err := vendorNames(places.Plugins)
	return slices.Compact(append(names, vendors...)), err
}

// vendorNames lists the layers of other vendors that are installed for the user.
func vendorNames(plugins string) ([]string, error) {
	programs, err := filepath.Glob(filepath.Join(plugins, "*", "*", layerPrefix+"*"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, program := range programs {
		rel, err := filepath.Rel(plugins, filepath.Dir(program))
		if err == nil && layerPrefix+filepath.Base(rel) == filepath.Base(program) {
			names = append(names, filepath.ToSlash(rel))
		}
	}
	return names, nil
}
