package main

// golang is work with go.
var golang = group{
	name:  "go",
	needs: []string{"go"},
	env:   []string{"GOTOOLCHAIN=local", "GOFLAGS=-buildvcs=false", "GOPROXY=off"},
	rows: []row{
		{name: "a version", run: `go version`},
		{
			name: "a program is built", given: `go mod init example.com/app 2>/dev/null; printf 'package main\n\nfunc main() { println(42) }\n' >main.go`,
			run: `go build -o app . && ./app && go build -x -o app . 2>&1 | grep -c compile`,
		},
		// The others with the user's own cache of builds, or each would build the standard library again.
		{
			name: "tested and checked", given: program, home: true, grant: builds,
			run: `go build -o app . && ./app && go vet ./... && go test ./... | cut -f1,2 && go run .`,
		},
		{
			name: "with a module from a warm cache", home: true,
			// A module that most have in their cache, of any version that is there.
			given: program + `
cache=$(go env GOMODCACHE); v=$(ls "$cache/cache/download/golang.org/x/sys/@v" 2>/dev/null | sed -n 's/\.zip$//p' | tail -1)
[ -n "$v" ] && GOFLAGS=-mod=mod GONOSUMDB=* GONOSUMCHECK=1 GOSUMDB=off go get golang.org/x/sys@$v >/dev/null 2>&1 || { echo "golang.org/x/sys in the cache of modules"; exit 1; }
printf 'package main\n\nimport "golang.org/x/sys/unix"\n\nfunc init() { println(unix.Getpid() > 0) }\n' >sys.go`,
			grant: append([]string{"--read", "~/go/pkg/mod"}, builds...),
			run:   `go build -o app . && ./app`,
		},
		{
			name: "cgo", needs: []string{"cc"}, home: true, grant: builds,
			given: program + `
printf 'package main\n\n// int six(void) { return 6; }\nimport "C"\n\nfunc init() { println(int(C.six())) }\n' >c.go`,
			run: `CGO_ENABLED=1 go build -o app . && ./app`,
		},
	},
}

var builds = []string{"--allow", "~/.cache/go-build"}

// program is a small module.
const program = `go mod init example.com/app 2>/dev/null
printf 'package main\n\nimport "fmt"\n\nfunc six() int { return 6 }\n\nfunc main() { fmt.Println(six() * 7) }\n' >main.go
printf 'package main\n\nimport "testing"\n\nfunc TestSix(t *testing.T) {\n\tif six() != 6 {\n\t\tt.Fail()\n\t}\n}\n' >main_test.go`
