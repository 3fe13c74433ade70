package reference

// chapter is what belongs to no single name of the language.
type chapter struct {
	title string
	text  []string // paragraphs
	words []row    // a table after them
}

var chapters = []chapter{
	{
		title: "A file of policy",
		text: []string{
			"A policy is written in HCL without variables, functions and computing: every value stands " +
				"there as it is. Each block may be left out, and an empty file grants nothing of yours. " +
				"What is not known here is an error, and so is what is not built yet: nothing that " +
				"you wrote goes unheld.",
			"What is built in and your own config.hcl in $XDG_CONFIG_HOME/nono (~/.config/nono) are read " +
				"for every run; profiles, where --profile or `extends` names them; and the file of -c. " +
				"Nothing is picked up from the current directory by itself.",
		},
	},
	{
		title: "Which rule wins",
		text: []string{
			"A denial beats every grant, at any depth, whoever wrote it; a `lift` takes back one that is " +
				"built in or a profile's, and none that you wrote. A protection takes writing away inside " +
				"a grant. Otherwise grants unite. Lists of all sources unite too; of single values the " +
				"last one wins, in this order: what is built in, your own config.hcl, profiles from left " +
				"to right, the file of -c, the flags. `nono why --path PATH` says which line decides.",
		},
	},
	{
		title: "Paths",
		text: []string{
			"A relative path belongs to the directory of the file it stands in. Your own config.hcl and " +
				"profiles have none: there $WORKDIR is the directory in which nono was started. A " +
				"directory means all beneath it. Links are followed when the policy is read, and a grant " +
				"through one that an agent could have made is refused. In a flag a path is taken as it " +
				"is typed.",
			"A pattern, where one may stand, means what is there when the run starts and is granted: " +
				"`*` and `?` as in a shell, `**` for any number of directories.",
		},
		words: []row{
			{"~, $HOME", "", "your home directory"},
			{"$WORKDIR", "", "the current directory"},
			{"$TMPDIR", "", "the directory for temporary files"},
			{"$UID", "", "your number"},
			{"$XDG_...", "", "the variable of that name, such as $XDG_CONFIG_HOME"},
			{"$$ $* $?", "", "a $, a * or a ? of a name"},
			{"$xHH", "", "the byte of that value, in two hexadecimal digits"},
		},
	},
	{
		title: "Hosts",
		text: []string{
			"A host is a name, `*.suffix` for what lies below a name (and not the name itself), an " +
				"address, or a range of addresses; each with `:port`, or `:*` for every port. " +
				"Where none is given, " +
				"`allow` and `opaque` mean 443 and 80, and `deny` every port. Case and a dot at the end make " +
				"no difference, and a name in another script is written as it is looked up, beginning " +
				"with xn--.",
			"A name is decided about before it is looked up, and then the address once more: one of a " +
				"private network, of this machine or of a metadata service is reached only where a rule " +
				"names the address or a range within that network. The rest of what nono can say of a " +
				"network is in docs/network.md.",
		},
	},
	{
		title: "A file from elsewhere",
		text: []string{
			"A file that lies outside your own configuration may be the work of a stranger. By itself it " +
				"names the command, grants what lies beneath its own directory, takes away whatever it " +
				"likes, and sets plain variables. Its directory must be a project for that: not your home, " +
				"not a temporary directory, none that others can write. What it asks for beyond that takes " +
				"your word, once: at the terminal, or by `nono approve FILE`. It is remembered with the " +
				"file's path, and a version that asks for no more is not asked about again. Asked for are:",
		},
	},
}

// stranger is the last chapter, which what each block asks for is listed in.
const stranger = "A file from elsewhere"
