package toolchain

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// What each version manager asks its files, in the order in which it asks them. A version in them
// is a name among those that are installed, whoever wrote it.

// wantsOfRbenv reads as rbenv does, and all that were made after it: a variable with versions, or
// the nearest file of that name, or the manager's own.
func wantsOfRbenv(variable, file string) func(*resolver, *manager) []want {
	return func(r *resolver, m *manager) []want {
		if v := r.setting(variable); v != "" {
			return wantsOf("", strings.Split(v, ":"), variable)
		}
		var files []string
		for _, dir := range r.upwards() {
			files = append(files, path.Join(dir, file))
		}
		for _, file := range append(files, path.Join(r.dir(m.at), "version")) {
			if text, ok := r.settingsFile(file); ok {
				var versions []string
				for line := range strings.Lines(text) {
					if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
						versions = append(versions, words[0])
					}
				}
				return wantsOf("", versions, file) // the nearest decides, also when it says nothing
			}
		}
		return wantsOf("", []string{system}, m.name)
	}
}

func wantsOf(tool string, versions []string, by string) []want {
	wants := make([]want, len(versions))
	for i, v := range versions {
		wants[i] = want{tool, v, by}
	}
	return wants
}

// merge adds the wants for tools that nobody nearer has asked for.
func merge(wants, more []want) []want {
	known := len(wants)
	for _, w := range more {
		same := func(k want) bool { return k.tool == w.tool }
		if !slices.ContainsFunc(wants[:known], same) {
			wants = append(wants, w)
		}
	}
	return wants
}

// wantsOfAsdf reads .tool-versions: for each tool the nearest file that names it decides.
func wantsOfAsdf(r *resolver, _ *manager) []want {
	var wants []want
	for _, dir := range append(r.upwards(), r.Home) {
		wants = merge(wants, r.toolVersions(path.Join(dir, ".tool-versions")))
	}
	return wants
}

// toolVersions reads lines such as "nodejs 20.11.0 18.19.0".
func (r *resolver) toolVersions(file string) []want {
	var wants []want
	text, _ := r.settingsFile(file)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 1 && isToolName(words[0]) {
			wants = append(wants, wantsOf(words[0], words[1:], file)...)
		}
	}
	return wants
}

// isToolName reports what can be the name of a directory of versions, and no way out of it.
func isToolName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// wantsOfMise reads mise's own files, which are TOML, and those of asdf.
func wantsOfMise(r *resolver, _ *manager) []want {
	var wants []want
	for _, dir := range r.upwards() {
		for _, name := range []string{
			"mise.local.toml", "mise.toml", ".mise.toml", "mise/config.toml",
			".mise/config.toml", ".config/mise.toml", ".config/mise/config.toml",
		} {
			wants = merge(wants, r.miseTools(path.Join(dir, name)))
		}
		wants = merge(wants, r.toolVersions(path.Join(dir, ".tool-versions")))
	}
	config := r.dir(place{"MISE_CONFIG_DIR", ".config/mise"})
	return merge(wants, r.miseTools(path.Join(config, "config.toml")))
}

// miseTools reads the table of tools of one of mise's files.
func (r *resolver) miseTools(file string) []want {
	text, ok := r.settingsFile(file)
	if !ok {
		return nil
	}
	var wants []want
	for _, line := range tomlTable(text, "tools") {
		if !isToolName(line.key) {
			continue
		}
		versions := line.strings
		if line.version != "" {
			versions = []string{line.version}
		}
		wants = append(wants, wantsOf(line.key, versions, file)...)
	}
	return wants
}

// wantsOfVolta reads the project's package.json, and where that pins nothing volta's own settings.
func wantsOfVolta(r *resolver, m *manager) []want {
	for _, dir := range r.upwards() {
		file := path.Join(dir, "package.json")
		content, ok := r.host.readable(file, 256<<10)
		if !ok {
			continue
		}
		var described struct{ Volta map[string]any }
		if json.Unmarshal(content, &described) == nil && len(described.Volta) > 0 {
			return voltaWants(described.Volta, file)
		}
		break // the nearest package decides
	}
	file := path.Join(r.dir(m.at), "tools/user/platform.json")
	text, _ := r.settingsFile(file)
	var platform struct {
		Node struct {
			Runtime string
			Npm     string
		}
		Pnpm, Yarn string
	}
	if json.Unmarshal([]byte(text), &platform) != nil {
		return nil
	}
	return voltaWants(map[string]any{
		"node": platform.Node.Runtime, "npm": platform.Node.Npm,
		"pnpm": platform.Pnpm, "yarn": platform.Yarn,
	}, file)
}

func voltaWants(pinned map[string]any, file string) []want {
	var wants []want
	// npm comes with node, so one that is pinned by itself comes first.
	for _, tool := range []string{"npm", "pnpm", "yarn", "node"} {
		if v, ok := pinned[tool].(string); ok && v != "" {
			wants = append(wants, want{tool, v, file})
		}
	}
	return wants
}

// wantsOfRustup reads the variable, the nearest of the overrides and the project's files, and the
// default.
func wantsOfRustup(r *resolver, m *manager) []want {
	if v := r.setting("RUSTUP_TOOLCHAIN"); v != "" {
		return []want{{"", v, "RUSTUP_TOOLCHAIN"}}
	}
	settings := path.Join(r.dir(m.at), "settings.toml")
	text, _ := r.settingsFile(settings)
	overrides := tomlTable(text, "overrides")
	for _, dir := range r.upwards() {
		for _, o := range overrides {
			if o.key == dir && len(o.strings) > 0 {
				return []want{{"", o.strings[0], settings}}
			}
		}
		for _, name := range []string{"rust-toolchain", "rust-toolchain.toml"} {
			if channel, ok := r.rustChannel(path.Join(dir, name)); ok {
				return []want{{"", channel, path.Join(dir, name)}}
			}
		}
	}
	for _, line := range tomlTable(text, "") {
		if line.key == "default_toolchain" && len(line.strings) > 0 {
			return []want{{"", line.strings[0], settings}}
		}
	}
	return nil
}

// rustChannel reads a project's file: the channel alone, or a table with it. A path to a toolchain,
// which it may name as well, is nothing that such a file can choose.
func (r *resolver) rustChannel(file string) (string, bool) {
	text, ok := r.settingsFile(file)
	if !ok {
		return "", false
	}
	if words := strings.Fields(text); len(words) == 1 && !strings.HasPrefix(words[0], "[") {
		return words[0], true
	}
	for _, line := range tomlTable(text, "toolchain") {
		if line.key == "channel" && len(line.strings) > 0 {
			return line.strings[0], true
		}
	}
	return "", false
}

// tomlLine is one key of a table with the strings of its value.
type tomlLine struct {
	key     string
	strings []string
	version string // of a value that is a table itself: its version
}

// tomlTable reads what the settings of version managers consist of: keys with strings, and lists of
// them, on one line. What else a file may hold is passed over: what is not understood chooses
// nothing.
func tomlTable(text, table string) []tomlLine {
	var lines []tomlLine
	in := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			in = strings.Trim(strings.TrimSpace(name), "[] ")
			continue
		}
		quoted, rest := tomlStrings(line)
		key, _, ok := strings.Cut(rest, "=")
		if in != table || !ok || strings.HasPrefix(line, "#") {
			continue
		}
		key = strings.TrimSpace(key)
		if key == "\x00" && len(quoted) > 0 {
			key, quoted = quoted[0], quoted[1:]
		}
		found := tomlLine{key: key, strings: quoted}
		if _, after, ok := strings.Cut(line, "{"); ok {
			found.strings = nil
			if _, v, ok := strings.Cut(after, "version"); ok {
				if values, _ := tomlStrings(v); len(values) > 0 {
					found.version = values[0]
				}
			}
		}
		lines = append(lines, found)
	}
	return lines
}

// tomlStrings takes the strings out of a line, without a comment behind them, and leaves a NUL in
// the place of each.
func tomlStrings(line string) (quoted []string, rest string) {
	var b strings.Builder
	for line != "" {
		c := line[0]
		if c == '#' {
			break
		}
		if c == '"' || c == '\'' {
			if text, after, ok := strings.Cut(line[1:], line[:1]); ok {
				quoted = append(quoted, text)
				b.WriteByte(0)
				line = after
				continue
			}
		}
		b.WriteByte(c)
		line = line[1:]
	}
	return quoted, b.String()
}
