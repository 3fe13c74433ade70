// Package architecture holds the shape of the repository as tests: which package may import which,
// and what each program is made of. A rule that a linter states for a file (.golangci.yml) is held
// here for everything that file brings in.
package architecture

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "github.com/nono-run/nono"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath   string
	Standard     bool
	Module       *struct{ Path string }
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// rule says that some packages do not import some others, themselves, tests included.
type rule struct {
	name   string
	from   []string // of packages of this module; "core" means core and all beneath it
	except []string
	never  []string // import paths, and all beneath them
	fine   []string // import paths beneath them that may be imported
	why    string
}

var rules = []rule{
	{
		name: "sdk does not import core or a layer", from: []string{"sdk"}, never: []string{module + "/core", module + "/plugins", module + "/profiles"},
		why: "a vendor imports sdk, and core is ours to change",
	},
	{
		name: "layers do not import core", from: []string{"plugins", "cmd/nono-layer-credproxy", "cmd/nono-layer-landlock", "cmd/nono-layer-netfilter", "cmd/nono-layer-snapshot", "cmd/nono-layer-trust", "cmd/nono-trust-roots"}, never: []string{module + "/core"},
		why: "a built-in layer has nothing that a vendor's has not",
	},
	{
		name: "landlock does not import another layer", from: []string{"plugins/landlock"}, never: []string{module + "/plugins"},
		why: "a layer learns of another through facts alone",
	},
	{
		name: "netfilter does not import another layer", from: []string{"plugins/netfilter"}, never: []string{module + "/plugins"},
		fine: []string{module + "/plugins/netfilter"},
		why:  "a layer learns of another through facts alone",
	},
	{
		name: "trust does not import another layer", from: []string{"plugins/trust"}, never: []string{module + "/plugins"},
		fine: []string{module + "/plugins/trust"},
		why:  "a layer learns of another through facts alone",
	},
	{
		name: "core does not import layers", from: []string{"core", "cmd/nono"}, never: []string{module + "/plugins"},
		why: "core knows a layer by its protocol alone, so any of them can be swapped",
	},
	{
		name: "HCL is in two places", from: []string{"cmd", "core", "plugins", "sdk", "profiles"}, except: []string{"core/config/language", "sdk/schema", "sdk/layertest"},
		never: []string{"github.com/hashicorp/hcl", "github.com/zclconf/go-cty"},
		why:   "everything after config sees a policy",
	},
	{
		name:  "nobody reaches back into config",
		from:  []string{"core/diag", "core/kinds", "core/launch", "core/layerhost", "core/plan", "core/toolchain"},
		never: []string{module + "/core/config"},
		why:   "data goes one way: what comes after config is given what it needs",
	},
	{
		name: "go-plugin and gRPC are at the two ends of the contract", from: []string{"cmd", "core", "plugins", "profiles"}, except: []string{"core/layerhost"},
		never: []string{"github.com/hashicorp/go-plugin", "google.golang.org/grpc", "google.golang.org/protobuf"},
		why:   "how a layer is spoken to is the business of sdk and core/layerhost",
	},
	{
		name: "go-landlock is with the launcher and with layers that confine themselves",
		from: []string{"cmd", "core", "plugins", "sdk", "profiles"}, except: []string{"core/launch/inside", "sdk/confine"},
		never: []string{"github.com/landlock-lsm", "kernel.org"},
		why:   "a program that confines nobody does not carry it; a layer has it by sdk/confine alone",
	},
	{
		name: "Sigstore's library is in a program of its own",
		from: []string{"cmd", "core", "plugins", "sdk", "profiles"}, except: []string{"plugins/trust/roots/certify", "plugins/trust/roots/rootstest"},
		never: []string{"github.com/sigstore", "github.com/secure-systems-lab", "github.com/digitorus"},
		why:   "it costs each start of a program that has it 4 ms; package roots asks it where there is a certificate",
	},
	{
		name: "the decision looks at nothing", from: []string{"sdk/policy", "sdk/fragment"}, never: []string{"net", "os/exec", "syscall", "golang.org/x/sys", "time"},
		fine: []string{"net/netip"}, // addresses as values
		why:  "the same policy decides the same on every machine and at any time",
	},
}

func TestImports(t *testing.T) {
	packages := list(t, "./...")
	if len(packages) < 5 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, bad := range r.broken(packages) {
				t.Errorf("%s: %s", bad, r.why)
			}
		})
	}
}

// A rule that cannot be broken would hold nothing.
func TestRulesCanBeBroken(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, imports := range []pkg{{Imports: r.never[:1]}, {TestImports: r.never[:1]}, {XTestImports: []string{r.never[0] + "/x"}}} {
				imports.ImportPath = module + "/" + r.from[0]
				if len(r.broken([]pkg{imports})) != 1 {
					t.Errorf("%+v was allowed", imports)
				}
			}
			for _, except := range r.except {
				excepted := pkg{ImportPath: module + "/" + except, Imports: r.never}
				if got := r.broken([]pkg{excepted}); len(got) != 0 {
					t.Errorf("the exception does not work: %v", got)
				}
			}
		})
	}
}

func (r rule) broken(packages []pkg) []string {
	var all []string
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if !beneathAny(name, r.from) || beneathAny(name, r.except) {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			// A package's own tests import it.
			if beneathAny(imported, r.never) && !beneathAny(imported, r.fine) && !beneathAny(imported, []string{p.ImportPath}) {
				all = append(all, name+" imports "+imported)
			}
		}
	}
	return all
}

func beneathAny(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") })
}

// What speaks gRPC in Go brings these along.
var contract = []string{
	"github.com/fatih/color", // of go-hclog
	"github.com/golang/protobuf",
	"github.com/hashicorp/go-hclog",
	"github.com/hashicorp/go-plugin",
	"github.com/hashicorp/yamux",
	"github.com/mattn/go-colorable", // of go-hclog
	"github.com/mattn/go-isatty",    // of go-hclog
	"github.com/oklog/run",
	"golang.org/x/net", // of gRPC: HTTP/2
	"golang.org/x/sys",
	"golang.org/x/text", // of gRPC: host names
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
}

// Sigstore's library brings these along. Most are of its transparency log's client, whose types it
// reads entries with; none of them connects to anything, which a test of the program holds.
var sigstore = []string{
	"github.com/asaskevich/govalidator",
	"github.com/blang/semver",
	"github.com/cenkalti/backoff/v5",
	"github.com/cespare/xxhash/v2",
	"github.com/cyberphone/json-canonicalization",
	"github.com/digitorus/pkcs7",
	"github.com/digitorus/timestamp",
	"github.com/go-logr/logr",
	"github.com/go-logr/stdr",
	"github.com/go-openapi/analysis",
	"github.com/go-openapi/errors",
	"github.com/go-openapi/jsonpointer",
	"github.com/go-openapi/jsonreference",
	"github.com/go-openapi/loads",
	"github.com/go-openapi/runtime",
	"github.com/go-openapi/runtime/server-middleware",
	"github.com/go-openapi/spec",
	"github.com/go-openapi/strfmt",
	"github.com/go-openapi/swag",
	"github.com/go-openapi/swag/cmdutils",
	"github.com/go-openapi/swag/conv",
	"github.com/go-openapi/swag/fileutils",
	"github.com/go-openapi/swag/jsonname",
	"github.com/go-openapi/swag/jsonutils",
	"github.com/go-openapi/swag/loading",
	"github.com/go-openapi/swag/mangling",
	"github.com/go-openapi/swag/netutils",
	"github.com/go-openapi/swag/pools",
	"github.com/go-openapi/swag/stringutils",
	"github.com/go-openapi/swag/typeutils",
	"github.com/go-openapi/swag/yamlutils",
	"github.com/go-openapi/validate",
	"github.com/go-viper/mapstructure/v2",
	"github.com/google/certificate-transparency-go",
	"github.com/google/go-containerregistry",
	"github.com/google/uuid",
	"github.com/grpc-ecosystem/grpc-gateway/v2",
	"github.com/in-toto/attestation",
	"github.com/in-toto/in-toto-golang",
	"github.com/oklog/ulid/v2",
	"github.com/opencontainers/go-digest",
	"github.com/pkg/errors",
	"github.com/secure-systems-lab/go-securesystemslib",
	"github.com/shibumi/go-pathspec",
	"github.com/sigstore/protobuf-specs",
	"github.com/sigstore/rekor",
	"github.com/sigstore/rekor-tiles/v2",
	"github.com/sigstore/sigstore",
	"github.com/sigstore/sigstore-go",
	"github.com/sigstore/timestamp-authority/v2",
	"github.com/theupdateframework/go-tuf/v2",
	"github.com/transparency-dev/formats",
	"github.com/transparency-dev/merkle",
	"github.com/youmark/pkcs8",
	"go.opentelemetry.io/auto/sdk",
	"go.opentelemetry.io/otel",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/trace",
	"go.yaml.in/yaml/v3",
	"golang.org/x/crypto",
	"golang.org/x/mod",
	"golang.org/x/net",
	"golang.org/x/sync",
	"golang.org/x/sys",
	"golang.org/x/term",
	"golang.org/x/text",
	"google.golang.org/genproto/googleapis/api",
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
	"k8s.io/klog/v2",
}

// programs lists, for each program, every module that is compiled into it. A dependency joins a
// program here, in the same change, with a reason to be read by a reviewer; one that leaves goes
// from here too.
var programs = map[string][]string{
	// The launcher becomes the agent's pid 1: what is in it, the agent is closest to.
	"nono-attack": {"golang.org/x/sys"},
	"nono-init":   {"github.com/landlock-lsm/go-landlock", "golang.org/x/sys", "kernel.org/pub/linux/libs/security/libcap/psx"},
	"nono": append([]string{
		"github.com/agext/levenshtein",             // of hcl: did you mean
		"github.com/apparentlymart/go-textseg/v15", // of go-cty: columns
		"github.com/hashicorp/go-version",          // the version constraint of a plugin block, as Terraform's users know it
		"github.com/hashicorp/hcl/v2",
		"github.com/mitchellh/go-wordwrap", // of hcl: diagnostics
		"github.com/spf13/cobra",
		"github.com/spf13/pflag",      // of cobra
		"github.com/tailscale/hujson", // profiles in JSON with comments, each value with its place
		"github.com/zclconf/go-cty",
		"golang.org/x/term", // is this a terminal?
	}, contract...),
	"nono-layer-credproxy": append([]string{
		"filippo.io/age",                                // a key in an encrypted file
		"filippo.io/hpke",                               // of age
		"golang.org/x/crypto",                           // of age
		"github.com/godbus/dbus/v5",                     // the keyring is on the session bus
		"github.com/landlock-lsm/go-landlock",           // it confines itself
		"kernel.org/pub/linux/libs/security/libcap/psx", // of go-landlock
	}, contract...),
	"nono-layer-landlock": contract,
	"nono-layer-trust": append([]string{
		"filippo.io/age",                     // a key in an encrypted file
		"filippo.io/hpke",                    // of age
		"github.com/go-json-experiment/json", // a signature is read as it is written, or not at all
		"github.com/godbus/dbus/v5",          // the keyring is on the session bus
		"golang.org/x/crypto",                // of age
	}, contract...),
	"nono-trust-roots": append([]string{
		"github.com/go-json-experiment/json",            // what it is asked, and answers
		"github.com/landlock-lsm/go-landlock",           // it confines itself
		"kernel.org/pub/linux/libs/security/libcap/psx", // of go-landlock
	}, sigstore...),
	"nono-testllm": {
		"github.com/fatih/color",        // of go-hclog
		"github.com/hashicorp/go-hclog", // the library's own log goes nowhere
		"github.com/mattn/go-colorable", // of go-hclog
		"github.com/mattn/go-isatty",    // of go-hclog
		"golang.org/x/net",              // a WebSocket
		"golang.org/x/sys",
	},
	"nono-layer-netfilter": append([]string{
		"github.com/landlock-lsm/go-landlock", // it confines itself
		"github.com/things-go/go-socks5",
		"kernel.org/pub/linux/libs/security/libcap/psx", // of go-landlock
	}, contract...),
	"nono-layer-snapshot": append([]string{
		"github.com/aymanbagabas/go-udiff", // session diff
		"github.com/klauspost/compress",    // what is stored
		"golang.org/x/term",                // is this a terminal?
	}, contract...),
}

func TestPrograms(t *testing.T) {
	entries, err := os.ReadDir("../../cmd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		t.Run(name, func(t *testing.T) {
			want, known := programs[name]
			if !known {
				t.Fatalf("cmd/%s has no list of modules here", name)
			}
			got := modules(list(t, "-deps", "./cmd/"+name))
			for _, m := range got {
				if !slices.Contains(want, m) {
					t.Errorf("%s is new in %s: add it to the list with its reason, or leave it out", m, name)
				}
			}
			for _, m := range want {
				if !slices.Contains(got, m) {
					t.Errorf("%s is no longer in %s: take it off the list", m, name)
				}
			}
		})
	}
}

// The launcher's list above is short; these are the packages of the standard library that would be
// as bad.
func TestLauncherIsSmall(t *testing.T) {
	for _, p := range list(t, "-deps", "./cmd/nono-init") {
		for never, why := range map[string]string{
			"net/http":             "it speaks to core alone, over one socket",
			"crypto/tls":           "it speaks to core alone, over one socket",
			"os/exec":              "it forks the agent itself, from the thread that carries the restrictions",
			"html/template":        "it prints nothing",
			module + "/sdk":        "the contract's Go types bring gRPC along",
			module + "/core/diag":  "what is said to the user, core says",
			module + "/core/plan":  "it applies a plan and decides nothing",
			module + "/sdk/wire":   "it never sees a layer's message",
			module + "/sdk/schema": "it never sees HCL",
		} {
			if p.ImportPath == never {
				t.Errorf("nono-init imports %s: %s", never, why)
			}
		}
	}
}

// Programs are static, so that they run on any Linux and no library of the host's is loaded into
// them.
func TestProgramsAreStatic(t *testing.T) {
	dir := t.TempDir()
	build := goCommand("build", "-o", dir, "./cmd/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name := range programs {
		file, err := elf.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range file.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static: it has a %v segment", name, p.Type)
			}
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

// With cgo the launcher could not restrict all of its threads, so there it is a program that only
// says so.
func TestLauncherRefusesCgo(t *testing.T) {
	has := func(cgo string) bool {
		cmd := goCommand("list", "-deps", "./cmd/nono-init")
		cmd.Env = append(cmd.Env, "CGO_ENABLED="+cgo)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		return strings.Contains(string(out), module+"/core/launch/inside")
	}
	if !has("0") {
		t.Error("without cgo, cmd/nono-init is not the launcher")
	}
	if has("1") {
		t.Error("with cgo, cmd/nono-init is the launcher")
	}
}

func modules(packages []pkg) []string {
	seen := map[string]bool{}
	for _, p := range packages {
		if !p.Standard && p.Module != nil && p.Module.Path != module {
			seen[p.Module.Path] = true
		}
	}
	all := make([]string, 0, len(seen))
	for m := range seen {
		all = append(all, m)
	}
	sort.Strings(all)
	return all
}

// list runs `go list` as the programs are built: for Linux, without cgo.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := goCommand(append([]string{"list", "-json=ImportPath,Standard,Module,Imports,TestImports,XTestImports"}, args...)...)
	cmd.Stderr = nil // Output keeps it for the error
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("go list %v: %v\n%s", args, err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var packages []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		packages = append(packages, p)
	}
}

func goCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=-buildvcs=false")
	return cmd
}
