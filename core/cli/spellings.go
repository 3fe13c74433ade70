package cli

import (
	"maps"
	"slices"

	"github.com/nono-run/nono/core/diag"
)

// What people type who know another tool, or a later nono. A word whose meaning is here under
// another name is answered with that name; what nono is going to have, with what there is
// meanwhile.

const (
	networkIs   = "the network is closed, or all of it open with --disable network"
	networkNone = "the network is closed without any flag"
	noUndo      = "there is no undo: commit before the run"
	handsOver   = "--env NAME passes a variable of yours, and the agent sees its value"
	planShows   = "`nono plan` shows every rule and the line it comes from"
	triesHost   = "`nono run -- true` says why, where this host lacks something"
	always      = "every run has it without any flag"
)

// laterCommands are the commands that nono is going to have, with what there is until then.
var laterCommands = spellings(map[string][]string{
	"`nono run` does it": {"wrap"},
	triesHost:            {"doctor", "setup"},
	noUndo: {
		"rollback", "undo", "session diff", "session rollback", "session verify",
	},
	handsOver: {"credential"},
	"`nono run --approve` grants what a file asks for, for one run": {"approve"},
	"`nono logs` shows what a run did":                              {"learn"},
	"no file is signed or checked":                                  {"trust"},
})

// laterFlags are the flags that nono is going to have, with what there is until then.
var laterFlags = spellings(map[string][]string{
	networkIs: {
		"network-profile", "allow-domain", "allow-proxy", "proxy-allow", "allow-bind", "listen-port",
		"allow-port", "open-port", "upstream-proxy", "upstream-bypass", "external-proxy",
		"external-proxy-bypass",
	},
	noUndo:    {"snapshot", "rollback", "rollback-exclude", "no-rollback"},
	handsOver: {"credential", "proxy-credential", "env-credential", "env-credential-map"},
	"change to the directory before: cd DIR && nono run ...": {"workdir"},
	"what the shell limits (ulimit) holds inside as well":    {"memory"},
	planShows: {"trace"},
})

// otherFlags are those of other tools, with nono's own for the same.
var otherFlags = spellings(map[string][]string{
	"here it is --read PATH": {
		"ro", "ro-bind", "ro-bind-try", "read-only", "readonly", "allow-read", "read-path",
	},
	"here it is --allow PATH": {
		"rw", "bind", "bind-try", "dev-bind", "read-write", "readwrite", "whitelist", "volume", "mount",
		"add-dir", "allow-path", "allow-dir",
	},
	"here it is --write PATH": {"allow-write", "write-path"},
	"here it is --allow-cwd":  {"cwd", "allow-dot", "project"},
	"here it is --deny PATH": {
		"blacklist", "deny-path", "deny-read", "mask", "hide",
	},
	"here it is --env NAME, or --env NAME=VALUE": {"setenv", "allow-env", "pass-env", "env-file", "e"},
	"here it is -c FILE":                         {"policy", "file", "config-file"},
	"here it is --disable network":               {"share-net"},
	networkNone: {
		"net", "network", "unshare-net", "unshare-all", "offline", "no-internet", "isolate-network",
	},
	"the home and /tmp are private without any flag": {
		"private", "private-tmp", "private-home", "tmpfs",
	},
	always: {
		"unshare-pid", "unshare-user", "unshare-ipc", "unshare-uts", "die-with-parent", "new-session",
		"proc", "dev", "seccomp", "noroot", "clearenv", "rm",
	},
	"change to the directory before: cd DIR && nono run ...": {"chdir", "directory"},
	"it is the agent's own, and stands after its name: nono run --allow-cwd -- AGENT --FLAG": {
		"dangerously-skip-permissions", "permission-mode", "yolo", "full-auto", "print", "model",
		"dangerously-bypass-approvals-and-sandbox", "sandbox", "prompt", "resume", "continue",
	},
})

// spellings turns a table of answers, each with its words, into one of words.
func spellings(answers map[string][]string) map[string]string {
	words := map[string]string{}
	for answer, of := range answers {
		for _, word := range of {
			words[word] = answer
		}
	}
	return words
}

// notBuilt is what is said of a word that nono is going to have.
func notBuilt(word, meanwhile string) error {
	return diag.Errorf("%s is not built yet", word).Try("%s", meanwhile)
}

// ownFlags are the long names of the flags of `nono run`, with their other spellings.
func ownFlags() []string {
	names := []string{
		"config", "profile", "extends", "approve", "dry-run", "name", "json-events",
	}
	for _, r := range flagRules {
		names = append(append(names, r.name), r.aliases...)
	}
	return slices.Concat(names, slices.Collect(maps.Keys(laterFlags)))
}
