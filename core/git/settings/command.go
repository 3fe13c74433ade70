package settings

import (
	"cmp"
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
	case s.Section == "remote" && (s.Key == "url" || s.Key == "pushurl"),
		s.Section == "submodule" && s.Key == "url":
		return after(runsURL)
	case s.Section == "url" && (s.Key == "insteadof" || s.Key == "pushinsteadof"):
		command, _ := strings.CutPrefix(s.Subsection, runsURL)
		if command == s.Subsection {
			return ""
		}
		return cmp.Or(command, s.Value) // what follows the part that is replaced ends the command
	case s.Section == "core" && s.Key == "fsmonitor" && isTruth:
		return "" // one of git's own, or none
	case slices.Contains(harmless[s.Section+"."+s.Key], s.Value):
		return ""
	case slices.Contains(runs[s.Section], s.Key):
		return strings.TrimPrefix(s.Value, "!")
	}
	return ""
}

// runsURL begins a URL that is a command.
const runsURL = "ext::"

// LetsURLsRun reports whether the setting has git run the commands that URLs name. Without one like
// it, git refuses them.
func (s Setting) LetsURLsRun() bool {
	ofExt := s.Section == "protocol" && (s.Subsection == "ext" || s.Subsection == "")
	return ofExt && s.Key == "allow" && !strings.EqualFold(s.Value, "never")
}

// Words are the words of a command in which the name of a file may stand: between what separates
// words in a shell, or quotes them.
func Words(command string) []string {
	return strings.FieldsFunc(command, func(r rune) bool {
		return strings.ContainsRune(" \t\n\"'`;|&()<>=$", r)
	})
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
