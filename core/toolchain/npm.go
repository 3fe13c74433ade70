package toolchain

import (
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// npmPrefix names the directory that npm installs global packages in.
const npmPrefix = "NPM_CONFIG_PREFIX"

// npmrcPrefix is the prefix in the user's settings for npm. They can hold a token and are denied by
// default, so no agent wrote them; of a project's settings nothing is read.
func (r *resolver) npmrcPrefix() string {
	content, ok := r.host.readable(path.Join(r.Home, ".npmrc"), 64<<10)
	if !ok {
		return ""
	}
	prefix := ""
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "prefix" {
			prefix = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	if rest, ok := strings.CutPrefix(prefix, "~/"); ok {
		return path.Join(r.Home, rest)
	}
	return strings.ReplaceAll(prefix, "${HOME}", r.Home)
}

// needTwins grants the packages that npm laid beside one because of it: a package with a native
// program has that in another one for each platform. The package names them, and can choose among
// its neighbours only.
func (r *resolver) needTwins(dir string) *Error {
	content, ok := r.host.readable(path.Join(dir, "package.json"), 256<<10)
	if !ok {
		return nil
	}
	var described struct {
		Optional map[string]string `json:"optionalDependencies"`
	}
	if err := json.Unmarshal(content, &described); err != nil {
		return nil //nolint:nilerr // npm would not have installed it
	}
	modules := path.Dir(dir)
	if strings.HasPrefix(path.Base(modules), "@") {
		modules = path.Dir(modules)
	}
	for _, name := range slices.Sorted(maps.Keys(described.Optional)) {
		twin := path.Join(modules, name)
		names := strings.Split(name, "/")
		n, ok := npmPackages.unit(names)
		if !ok || n != len(names) || name == "." || !fs.ValidPath(name) || !r.host.isDirectory(twin) {
			continue
		}
		if err := r.grant(twin, "npm, with "+path.Base(dir)); err != nil {
			return err
		}
	}
	return nil
}
