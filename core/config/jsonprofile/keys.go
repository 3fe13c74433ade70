package jsonprofile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
)

// key is what a name in a profile means. The zero value is a name that says something about the
// profile, and nothing about a run.
type key struct {
	// keys are the names in an object.
	keys map[string]key
	// read adds what it says to the tree.
	read func(r *reader, m member)
	// why and instead say, of a name that has no meaning here, that it is refused, and what to do.
	why, instead string
}

// keys are the names in a profile.
var keys = map[string]key{
	"$schema": {read: text},
	"meta": {keys: map[string]key{
		"name": {read: text}, "version": {read: text}, "description": {read: text},
		"author": {read: text},
	}},
	"extends": {read: extends},
	"filesystem": {keys: map[string]key{
		"allow":             list("filesystem", "allow"),
		"read":              list("filesystem", "read"),
		"write":             {read: write},
		"allow_file":        list("filesystem", "allow"),
		"read_file":         list("filesystem", "read"),
		"write_file":        {read: write},
		"deny":              list("filesystem", "deny"),
		"bypass_protection": list("filesystem", "lift"),
		// They say what is offered to be saved after a run, and grant and deny nothing.
		"suppress_save_prompt": {},
		"ignore":               {},
	}},
	"policy": {keys: map[string]key{ // the older names
		"add_deny_access":     list("filesystem", "deny"),
		"add_allow_read":      list("filesystem", "read"),
		"add_allow_write":     {read: write},
		"add_allow_readwrite": list("filesystem", "allow"),
		"override_deny":       list("filesystem", "lift"),
		"exclude_groups":      {read: withoutGroups},
		"add_deny_commands":   noCommands,
	}},
	"network": {keys: map[string]key{
		"block":                 {read: block},
		"network_profile":       {read: networkProfile},
		"allow_domain":          list("network", "allow"),
		"allow_proxy":           list("network", "allow"),
		"proxy_allow":           list("network", "allow"),
		"credentials":           {read: credentials},
		"proxy_credentials":     {read: credentials},
		"custom_credentials":    {read: customCredentials},
		"open_port":             ports("loopback"),
		"allow_port":            ports("loopback"),
		"port_allow":            ports("loopback"),
		"listen_port":           ports("listen"),
		"upstream_proxy":        {read: upstreamProxy},
		"upstream_bypass":       {read: upstreamBypass},
		"external_proxy":        {read: upstreamProxy},
		"external_proxy_bypass": {read: upstreamBypass},
	}},
	"env_credentials": {read: secrets},
	"secrets":         {read: secrets},
	"credential_capture": cannot("is not supported",
		"write the command where the key is named: "+
			`"credential_key": "cmd://[\"program\", \"argument\"]"`),
	"environment": {keys: map[string]key{
		"allow_vars": list("environment", "pass"),
		"deny_vars":  list("environment", "deny"),
		"set_vars":   {read: setVariables},
	}},
	"workdir":  {keys: map[string]key{"access": {read: workdir}}},
	"rollback": {keys: snapshots},
	"undo":     {keys: snapshots},

	"groups": {keys: map[string]key{
		"include": cannot("names groups of another tool's",
			"remove it: the command's own toolchain is found without it; "+
				"`nono profiles list` shows what there is to extend"),
		"exclude": {read: withoutGroups},
	}},
	"commands": {keys: map[string]key{"allow": noCommands, "deny": noCommands}},
	"security": cannot("is not supported",
		"remove it: no process outside is seen or signalled by any run, and none asks for more "+
			"while it runs"),
	"hooks":         noHooks,
	"session_hooks": noHooks,
	"packs":         cannot("is not supported", "write what the packs would bring into this file"),
	"command_args":  cannot("is not supported", "type the arguments after the command"),
	// It asks for what is so in every run, and is nothing to the other tool any more.
	"interactive": {},
}

// snapshots are what is left out of a snapshot, if one is asked for.
var snapshots = map[string]key{
	"exclude_patterns": list("snapshot", "exclude"),
	"exclude_globs":    list("snapshot", "exclude"),
}

var (
	noCommands = cannot("is not supported",
		"no command is told by its name here: deny the file, or what it would do")
	noHooks = cannot("is not supported", "nothing that a profile names is run outside")
)

// cannot is a name that has no meaning here.
func cannot(why, instead string) key { return key{why: why, instead: instead} }

// list is a list of strings that becomes one of a block's.
func list(block, attribute string) key {
	return key{read: func(r *reader, m member) {
		r.put(m, block, attribute, r.strings(m))
	}}
}

// text is a string that is for people.
func text(r *reader, m member) { r.string(m, m.value) }

// extends is one profile, or several.
func extends(r *reader, m member) {
	if m.value.Value.Kind() == '"' {
		if item, ok := r.string(m, m.value); ok {
			r.put(m, "", "extends", []language.Item{item})
		}
		return
	}
	r.put(m, "", "extends", r.strings(m))
}

// write is a grant that means a little more here, which is told.
func write(r *reader, m member) {
	items := r.strings(m)
	if len(items) > 0 {
		r.add(diag.Warningf("%q lets what it names be read, too", m.path).At(m.at))
	}
	r.put(m, "filesystem", "write", items)
}

// withoutGroups takes only groups that there is nothing of here: those that forbid commands by
// their names.
func withoutGroups(r *reader, m member) {
	for _, it := range r.strings(m) {
		if !strings.HasPrefix(it.Text, "dangerous_commands") && it.Text != "unlink_protection" {
			r.add(diag.Errorf("%q: there is no group %q to leave out", m.path, it.Text).At(it.Source).
				Try(`name the paths to be had in spite of a default denial: "bypass_protection"`))
		}
	}
}

// block is true where the network is closed, and then nothing may be allowed. False is what the
// other tool takes where nothing is said, for all of the network; here it opens nothing.
func block(r *reader, m member) {
	literal, _ := m.value.Value.(hujson.Literal)
	if literal.Kind() != 't' && literal.Kind() != 'f' {
		r.add(r.report(m, "must be true or false"))
		return
	}
	r.block = &m
}

// settleBlock holds what was said of the whole network against what is allowed of it.
func (r *reader) settleBlock() {
	if r.block == nil {
		return
	}
	allows := slices.ContainsFunc(r.tree.Blocks,
		func(b *language.Tree) bool { return b.Name == network })
	closed := r.block.value.Value.Kind() == 't'
	switch {
	case closed && allows:
		r.add(r.report(*r.block, "is true, and this profile opens some of the network").
			Try("remove one of the two"))
	case !closed && !allows:
		r.add(diag.Warningf("%q is false, and the network stays closed", r.block.path).At(r.block.at).
			Try("name the hosts in allow_domain; --allow-net opens all of it"))
	}
}

const network = "network"

// ports is a list of ports.
func ports(attribute string) key {
	return key{read: func(r *reader, m member) {
		list, ok := m.value.Value.(*hujson.Array)
		if !ok {
			r.add(r.report(m, "must be a list of numbers: [3000]"))
			return
		}
		for _, e := range list.Elements {
			literal, _ := e.Value.(hujson.Literal)
			n, err := strconv.ParseInt(string(literal), 10, 64)
			if err != nil {
				r.add(diag.Errorf("%q must hold whole numbers", m.path).At(r.sourceOf(e)))
				return
			}
			item := language.Item{Text: strconv.FormatInt(n, 10), Source: r.sourceOf(e)}
			r.put(m, network, attribute, []language.Item{item})
		}
	}}
}

func upstreamProxy(r *reader, m member) {
	if item, ok := r.string(m, m.value); ok {
		r.putUpstream(m, "url", []language.Item{item})
	}
}

func upstreamBypass(r *reader, m member) { r.putUpstream(m, "bypass", r.strings(m)) }

// putUpstream adds to a name of the upstream, which one of several members is about.
func (r *reader) putUpstream(m member, field string, items []language.Item) {
	if len(items) == 0 {
		return
	}
	tree := r.at(m, network)
	v := tree.Attributes["upstream"]
	if v == nil {
		v = &language.Value{
			Is: tree.Is.Attributes["upstream"], Name: "upstream", Source: m.at,
			Fields: map[string]*language.Value{},
		}
		tree.Attributes["upstream"] = v
	}
	v.Fields[field] = &language.Value{
		Is: v.Is.Fields[field], Name: field, Source: m.at, Items: items,
	}
}

func networkProfile(r *reader, m member) {
	if item, ok := r.string(m, m.value); ok {
		r.put(m, "network", "profile", []language.Item{item})
	}
}

// expanded are the variables that the other tool puts into the value of a variable. Here such a
// value is what is written.
var expanded = []string{"$HOME", "$WORKDIR", "$TMPDIR", "$UID", "$XDG_", "$NONO_"}

func setVariables(r *reader, m member) {
	for _, in := range r.members(m) {
		item, ok := r.string(in, in.value)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(expanded,
			func(v string) bool { return strings.Contains(item.Text, v) }); i >= 0 {
			r.add(r.report(in, "is set to something with %s, which a value is not expanded for",
				expanded[i]).Try("write the directory out"))
			continue
		}
		r.put(m, "environment", "set",
			[]language.Item{{Key: in.name, Text: item.Text, Source: in.at}})
	}
}

// workdir is what is granted of the directory that nono is started in.
func workdir(r *reader, m member) {
	item, ok := r.string(m, m.value)
	if !ok {
		return
	}
	access := map[string]string{"read": "read", "write": "write", "readwrite": "allow"}[item.Text]
	if access == "" && item.Text != "none" {
		r.add(r.report(m, "cannot be %q", item.Text).
			Try("it is one of none, read, write, readwrite"))
		return
	}
	if access != "" {
		r.put(m, "filesystem", access,
			[]language.Item{{Text: "$WORKDIR", Source: item.Source}})
	}
}
