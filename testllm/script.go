package testllm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Script is what the stand-in does, a step for each of its turns in a conversation. A step that
// calls a tool is for a request that offers some: what agents ask beside their work, such as a
// title for it, is answered with a word. After the last step there is no more to do.
type Script []Step

// Step is one thing to do. It has one of these fields, and Arguments beside Tool.
type Step struct {
	// Say is text.
	Say string `json:"say,omitempty"`
	// Run is a command for a shell, by whichever tool the agent has for that.
	Run string `json:"run,omitempty"`
	// Write makes a file, and Edit changes one.
	Write *Write `json:"write,omitempty"`
	Edit  *Edit  `json:"edit,omitempty"`
	// Tool is a tool by its name, called with exactly these arguments.
	Tool      string          `json:"tool,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// Write is a file to be written. Some agents take absolute paths only.
type Write struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Edit is a line to be put in the place of another.
type Edit struct {
	Path string `json:"path"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// ReadScript reads a script: a list, in JSON.
func ReadScript(r io.Reader) (Script, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var s Script
	if err := decoder.Decode(&s); err != nil {
		return nil, fmt.Errorf("reading a script: %w", err)
	}
	for i, step := range s {
		n := 0
		for _, has := range []bool{
			step.Say != "", step.Run != "", step.Write != nil, step.Edit != nil, step.Tool != "",
		} {
			if has {
				n++
			}
		}
		if n != 1 {
			return nil, fmt.Errorf("reading a script: step %d is to have one of say, run, write, edit "+
				"and tool, and has %d of them", i+1, n)
		}
	}
	return s, nil
}

// conversation is what a request says, whatever its form.
type conversation struct {
	model  string
	stream bool
	tools  []tool
	turns  int    // how often the model has had its turn
	last   string // what it was told last
}

// tool is one that an agent offers.
type tool struct {
	name string
	// properties are what its arguments may be; a tool that is custom takes one text in their place.
	properties map[string]property
	custom     bool
}

type property struct {
	Type any `json:"type"` // a name, or a list of names
}

// turn is what the model does: it says something, or calls a tool.
type turn struct {
	text string
	call *call
}

// call is a call of a tool. One that is custom has a text for arguments.
type call struct {
	name      string
	arguments json.RawMessage
	text      string
	custom    bool
}

// noMore is said where a script is over, or has nothing for a request.
const noMore = "That is all."

// longestRepeated is how much of what it was told the stand-in repeats.
const longestRepeated = 200

// next is what is to be done.
func (s Script) next(c conversation) (turn, error) {
	if len(s) == 0 {
		told := c.last
		if len(told) > longestRepeated {
			told = strings.ToValidUTF8(told[:longestRepeated], "") + "..."
		}
		return turn{text: "This is nono's stand-in for a model. You said: " + told}, nil
	}
	var all []turn
	for _, step := range s {
		turns, err := step.turns(c.tools)
		if err != nil {
			return turn{}, err
		}
		all = append(all, turns...)
	}
	if c.turns >= len(all) {
		return turn{text: noMore}, nil
	}
	return all[c.turns], nil
}

// turns are those that a step takes with an agent that has these tools.
func (s Step) turns(tools []tool) ([]turn, error) {
	switch {
	case s.Say != "":
		return []turn{{text: s.Say}}, nil
	case len(tools) == 0:
		return []turn{{text: noMore}}, nil
	case s.Run != "":
		return one(runs(tools, s.Run))
	case s.Write != nil:
		return s.Write.turns(tools)
	case s.Edit != nil:
		return s.Edit.turns(tools)
	}
	return []turn{{call: &call{name: s.Tool, arguments: s.Arguments}}}, nil
}

func one(c *call, err error) ([]turn, error) { return []turn{{call: c}}, err }

// The tools by which agents run commands, read, write and edit.
var (
	shells   = []string{"Bash", "exec_command", "shell_command", "shell", "bash", "run_shell_command"}
	readers  = []string{"Read", "read", "read_file"}
	writers  = []string{"Write", "write", "write_file"}
	editors  = []string{"Edit", "edit", "replace"}
	patchers = []string{"apply_patch"}
	// programs take a program in JavaScript, which calls the others.
	programs = []string{"exec"}
)

// offered is the first of some tools that an agent offers.
func offered(tools []tool, names []string) (tool, bool) {
	for _, name := range names {
		if i := slices.IndexFunc(tools, func(t tool) bool { return t.name == name }); i >= 0 {
			return tools[i], true
		}
	}
	return tool{}, false
}

// fill makes the arguments of a call: of several spellings the tool's own.
func (t tool) fill(values map[string]any) *call {
	arguments := map[string]any{}
	for name, value := range values {
		for spelling := range strings.SplitSeq(name, "|") {
			if _, has := t.properties[spelling]; has {
				arguments[spelling] = value
				break
			}
		}
	}
	encoded, err := json.Marshal(arguments)
	if err != nil {
		panic(err) // it is made of strings
	}
	return &call{name: t.name, arguments: encoded}
}

// runs calls the agent's shell.
func runs(tools []tool, command string) (*call, error) {
	t, ok := offered(tools, shells)
	if program, has := offered(tools, programs); !ok && has && program.custom {
		argument, err := json.Marshal(map[string]string{"cmd": command})
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("text(await tools.exec_command(%s))", argument)
		return &call{name: program.name, text: text, custom: true}, nil
	}
	if !ok {
		return nil, errors.New("the agent offers no tool that runs a command")
	}
	var value any = command
	if t.properties["command"].Type == "array" {
		value = []string{"bash", "-c", command}
	}
	return t.fill(map[string]any{"command|cmd": value, "description": "A step of the script"}), nil
}

func (f Write) turns(tools []tool) ([]turn, error) {
	if t, ok := offered(tools, writers); ok {
		return one(t.fill(map[string]any{
			"file_path|filePath|path": f.Path, "content": f.Content,
		}), nil)
	}
	if t, ok := offered(tools, patchers); ok {
		var body strings.Builder
		for line := range strings.Lines(f.Content) {
			body.WriteString("+" + strings.TrimSuffix(line, "\n") + "\n")
		}
		return one(t.patch("*** Add File: "+f.Path+"\n"+body.String()), nil)
	}
	// As agents do it that have nothing but a shell.
	return one(runs(tools, "cat > '"+strings.ReplaceAll(f.Path, "'", `'\''`)+"' <<'END OF FILE'\n"+
		strings.TrimSuffix(f.Content, "\n")+"\nEND OF FILE"))
}

// turns reads the file first: agents let a model change only what it has seen.
func (e Edit) turns(tools []tool) ([]turn, error) {
	if t, ok := offered(tools, editors); ok {
		var all []turn
		if read, ok := offered(tools, readers); ok {
			all = append(all, turn{call: read.fill(map[string]any{
				"file_path|filePath|path|absolute_path": e.Path,
			})})
		}
		return append(all, turn{call: t.fill(map[string]any{
			"file_path|filePath|path": e.Path, "old_string|oldString": e.Old, "new_string|newString": e.New,
		})}), nil
	}
	patch := "*** Update File: " + e.Path + "\n@@\n-" + e.Old + "\n+" + e.New + "\n"
	if t, ok := offered(tools, patchers); ok {
		return one(t.patch(patch), nil)
	}
	// codex takes it from its shell too.
	return one(runs(tools, "apply_patch <<'END OF PATCH'\n*** Begin Patch\n"+patch+
		"*** End Patch\nEND OF PATCH"))
}

// patch calls a tool that takes patches in codex's own form.
func (t tool) patch(body string) *call {
	text := "*** Begin Patch\n" + body + "*** End Patch\n"
	if t.custom {
		return &call{name: t.name, text: text, custom: true}
	}
	return t.fill(map[string]any{"input|patch": text})
}
