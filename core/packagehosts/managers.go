package packagehosts

import (
	"archive/zip"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/lazyregexp"
)

// nothing is why a manager has no hosts to tell, which stays so until a setting changes.
type nothing string

// Error implements error.
func (n nothing) Error() string { return string(n) }

// mostRead is how much of a manager's files is read.
const mostRead = 1 << 20

// npm fetches from its registry, and from those of single scopes.
func npm(ctx context.Context, l *Learner) (answer, error) {
	// Global, so that no file of a project above the directory is read.
	out, err := l.run(ctx, "npm", "config", "list", "--json", "--global")
	if err != nil {
		return answer{}, err
	}
	var settings map[string]any
	if err := json.Unmarshal(out, &settings); err != nil {
		return answer{}, errors.New("what it says of its settings cannot be read")
	}
	var urls []string
	for key, value := range settings {
		if text, ok := value.(string); ok && (key == "registry" || strings.HasSuffix(key, ":registry")) {
			urls = append(urls, text)
		}
	}
	slices.Sort(urls)
	registry, ok := settings["registry"].(string)
	if !ok {
		// It always has one, and does not say one that has a password in it.
		return answer{urls, []Variable{{Name: "npm_config_registry", Secret: true}}}, nil
	}
	return answer{urls, []Variable{variable("npm_config_registry", registry)}}, nil
}

// golang fetches from proxies, and asks a database of checksums.
func golang(ctx context.Context, l *Learner) (answer, error) {
	out, err := l.run(ctx, "go", "env", "-json",
		"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOSUMDB", "GONOPROXY")
	if err != nil {
		return answer{}, err
	}
	var env struct{ GOPROXY, GOSUMDB, GOPRIVATE, GONOSUMDB, GONOPROXY string }
	if err := json.Unmarshal(out, &env); err != nil {
		return answer{}, errors.New("what it says of its settings cannot be read")
	}
	var said []string
	for proxy := range strings.FieldsFuncSeq(env.GOPROXY,
		func(c rune) bool { return c == ',' || c == '|' }) {
		if strings.Contains(proxy, "://") { // and not "direct" or "off"
			said = append(said, proxy)
		}
	}
	// "off"; or the database's name, with its key behind it or not; and where it is, if elsewhere.
	switch words := strings.Fields(env.GOSUMDB); {
	case len(words) > 1:
		said = append(said, words[1])
	case len(words) == 1 && words[0] != "off":
		name, _, _ := strings.Cut(words[0], "+")
		said = append(said, name)
	}
	// A mirror's private modules are in no public database, and must not be asked for there: which
	// they are is told too.
	vars := []Variable{
		variable("GOPROXY", env.GOPROXY), variable("GOSUMDB", env.GOSUMDB),
		variable("GOPRIVATE", env.GOPRIVATE),
	}
	if env.GONOSUMDB != env.GOPRIVATE {
		vars = append(vars, variable("GONOSUMDB", env.GONOSUMDB))
	}
	if env.GONOPROXY != env.GOPRIVATE {
		vars = append(vars, variable("GONOPROXY", env.GONOPROXY))
	}
	return answer{said, vars}, nil
}

// indexOfPip prints where pip fetches from: what is set, or else what is its own. Behind that stand
// lines NAME=VALUE: the variables that say what is set for every command, or else for single ones.
const indexOfPip = `
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
c = Configuration(isolated=False)
c.load()
urls = []
for key, value in c.items():
    values = value if isinstance(value, dict) else {key: value}
    for name, text in values.items():
        if name.endswith("index-url") and isinstance(text, str):
            urls += [(name, u) for u in text.split()]
if not any(not name.endswith("extra-index-url") for name, u in urls):
    print(PyPI.simple_url)
    print("https://" + PyPI.file_storage_domain)
for name, u in urls:
    print(u)
ranks = {":env:": 2, "global": 1}
for option, variable in ("index-url", "PIP_INDEX_URL"), ("extra-index-url", "PIP_EXTRA_INDEX_URL"):
    said = {}
    for name, u in urls:
        section, _, key = name.rpartition(".")
        if key == option:
            said.setdefault(section, []).append(u)
    if said:
        print(variable + "=" + " ".join(said[max(said, key=lambda s: ranks.get(s, 0))]))
`

// pip fetches from its indexes.
func pip(ctx context.Context, l *Learner) (answer, error) {
	out, err := l.run(ctx, "python3", "-I", "-c", indexOfPip)
	if err != nil {
		return answer{}, err
	}
	var said answer
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if name, value, ok := strings.Cut(line, "="); ok && slices.Contains(variables, name) {
			said.variables = append(said.variables, variable(name, value))
		} else {
			said.from = append(said.from, strings.Fields(line)...)
		}
	}
	return said, nil
}

func (l *Learner) cargoHome() string {
	return l.value("CARGO_HOME", filepath.Join(l.Home, ".cargo"))
}

// registryLine is a registry in cargo's settings.
var registryLine = lazyregexp.New(
	`\b(?:index|registry|dl)"?\s*[:=]\s*"((?:sparse\+)?https?://[^"]+)"`)

// cargo is not asked, for it has no word for it: what it has fetched from lies in its directory,
// and others stand in its settings. It reads no variable that would replace its own registry.
func cargo(_ context.Context, l *Learner) (answer, error) {
	var urls []string
	add := func(path string) {
		text, err := hostfile.Read(path, mostRead)
		if err != nil {
			return
		}
		for _, found := range registryLine.FindAllSubmatch(text, -1) {
			urls = append(urls, string(found[1]))
		}
	}
	for _, name := range []string{"config.toml", "config"} {
		add(filepath.Join(l.cargoHome(), name))
	}
	indexes, err := filepath.Glob(filepath.Join(l.cargoHome(), "registry/index/*-*"))
	if err != nil {
		return answer{}, fmt.Errorf("looking at what it has fetched: %w", err)
	}
	for _, dir := range indexes {
		// HOST-HASH
		name := filepath.Base(dir)
		urls = append(urls, name[:strings.LastIndexByte(name, '-')])
		add(filepath.Join(dir, "config.json"))
		add(filepath.Join(dir, ".cache/config.json"))
	}
	if len(urls) == 0 {
		return answer{}, nothing("it has fetched nothing yet, and its settings name no registry")
	}
	return answer{from: urls}, nil
}

func (l *Learner) mavenFile() string { return filepath.Join(l.Home, ".m2/settings.xml") }

// maven fetches from mirrors and repositories of its settings, and from the one that it comes with.
func maven(_ context.Context, l *Learner) (answer, error) {
	tool, err := l.find("mvn")
	if err != nil {
		return answer{}, err
	}
	urls, err := mavenURLs(l.mavenFile())
	if err != nil {
		return answer{}, err
	}
	program, err := hostfile.Resolve(tool.Executable)
	if err != nil {
		return answer{}, fmt.Errorf("looking at its installation: %w", err)
	}
	lib := filepath.Join(filepath.Dir(program), "../lib")
	jars, err := filepath.Glob(filepath.Join(lib, "maven-model-builder*.jar"))
	if err != nil {
		return answer{}, fmt.Errorf("looking at its installation: %w", err)
	}
	for _, jar := range jars {
		text, err := fromJar(jar, "org/apache/maven/model/pom-4.0.0.xml")
		if err != nil {
			continue
		}
		urls = append(urls, urlsIn(text)...)
	}
	return answer{from: urls}, nil
}

func mavenURLs(path string) ([]string, error) {
	text, err := hostfile.Read(path, mostRead)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading its settings: %w", err)
	}
	return urlsIn(text), nil
}

// urlsIn are the urls of the mirrors and repositories in a file of Maven's.
func urlsIn(text []byte) []string {
	var urls []string
	var path []string
	decode := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		token, err := decode.Token()
		if err != nil {
			return urls
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if n := len(path); n > 1 && path[n-1] == "url" &&
				slices.Contains([]string{"mirror", "repository", "pluginRepository"}, path[n-2]) {
				urls = append(urls, string(token))
			}
		}
	}
}

// fromJar is a file in a jar, as much of it as is read.
func fromJar(jar, name string) ([]byte, error) {
	r, err := zip.OpenReader(jar)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	f, err := r.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, mostRead))
}
