package settings

import (
	"slices"
	"strings"
)

// runs are the settings whose value git runs, or has something run: by section and key, whatever
// the subsection. Those that are a command in one form only are told apart in [Setting.Command].
var runs = map[string][]string{
	"browser": {"cmd", "path"},
	"core": {
		"alternaterefscommand", "askpass", "editor", "fsmonitor", "gitproxy", "pager", "sshcommand",
	},
	"credential":  {"helper"},
	"diff":        {"command", "external", "textconv"},
	"difftool":    {"cmd", "path"},
	"filter":      {"clean", "process", "smudge"},
	"gpg":         {"defaultkeycommand", "program"},
	"guitool":     {"cmd"},
	"help":        {"browser"},
	"hook":        {"command"},
	"imap":        {"tunnel"},
	"instaweb":    {"browser", "httpd"},
	"interactive": {"difffilter"},
	"lfs":         {"clean", "path", "smudge"}, // of git-lfs: extensions and custom transfers
	"man":         {"cmd", "path", "viewer"},
	"merge":       {"driver", "tool"},
	"mergetool":   {"cmd", "path"},
	"remote":      {"receivepack", "uploadpack", "vcs"},
	"sendemail":   {"cccmd", "headercmd", "sendmailcmd", "smtpserver", "tocmd"},
	"sequence":    {"editor"},
	"submodule":   {"update"},
	"tar":         {"command"},
	"trailer":     {"cmd", "command"},
	"uploadpack":  {"packobjectshook"},
	"web":         {"browser"},
}

// harmless are values of those that run nothing.
var harmless = map[string][]string{
	"submodule.update": {"checkout", "merge", "none", "rebase"},
}

// Command is the command that git runs for this setting, on one occasion or another.
func (s Setting) Command() (string, bool) {
	command := s.command()
	return command, command != ""
}

func (s Setting) command() string {
	_, isTruth := s.Bool()
	after := func(prefix string) string {
		if command, ok := strings.CutPrefix(s.Value, prefix); ok {
			return command
		}
		return ""
	}
	switch {
	case s.Section == "alias":
		return after("!") // others are words of git's own
	case s.Section == "pager" && !isTruth:
		return s.Value
	case s.Section == "remote" && (s.Key == "url" || s.Key == "pushurl"):
		return after("ext::")
	case s.Section == "core" && s.Key == "fsmonitor" && isTruth:
		return "" // one of git's own, or none
	case slices.Contains(harmless[s.Section+"."+s.Key], s.Value):
		return ""
	case slices.Contains(runs[s.Section], s.Key):
		return strings.TrimPrefix(s.Value, "!")
	}
	return ""
}

// HooksPath is the directory of the hooks, where the setting names one.
func (s Setting) HooksPath() (string, bool) {
	return s.Value, s.Section == "core" && s.Key == "hookspath" && s.Value != ""
}

// Include is another file of settings that git reads as well, or may read: on what condition is not
// asked.
func (s Setting) Include() (string, bool) {
	return s.Value, (s.Section == "include" || s.Section == "includeif") && s.Key == "path" &&
		s.Value != ""
}
