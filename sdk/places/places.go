// Package places works out what the agent sees of the files: at which paths something changes on
// the way down from the root, and how. Every filesystem layer would have to find the same, so it
// is found once, by core, as plain data, and handed to the layer with the plan request. What is
// left to a layer is how to hold it.
//
// # What a filesystem layer owes
//
//   - Each place is seen inside as its Shows says, down to the next place beneath it. Outside of
//     all places nothing of the host is there.
//   - What a place gives is no more than its Rights, however the file is reached: a directory
//     with a Pin cannot be renamed or removed from inside, for then the path of the rule that the
//     pin names would come to mean another file.
//   - The file that is shown is the one that Device and Inode name, or the run does not start.
//   - Each link of Links leads where its Target says. A program that was asked for by such a name
//     is found by it.
//   - The command's current directory exists. If nothing else shows it, it is a place of its own.
//   - For each rule of Rules, coverage says by what the layer holds it. How far it has to be held
//     is in the rule's Is: what [Absent] or [Unseen] says holds by itself once the places are as
//     they say.
//
// # The additive form
//
// Where a host lets nobody compose a view, as one without user namespaces, the agent sees the
// host's own files, and all that can be done is to give rights at paths ([View.Additive]). Then
//
//   - what no place gives is not given, and what a place gives it gives of all beneath it. There is
//     no hidden place, none that gives less than one above it, and no pin: where a grant has
//     something in it that is not to be given, it was opened up, and what lies beside that has
//     places of its own;
//   - a place with List has its names listed, and so has every directory beneath it, whatever its
//     Rights are;
//   - the file that a place gives is the one that Device and Inode name, or the run does not start.
//
// What a session has for itself, its temporary directory among it, core gives.
//
// In a directory that was opened up nothing can be made, renamed or removed, and what comes to lie
// in it later is not given. A grant for writing that would have to be is a problem, at its line.
// The protections that nono brings itself are not held inside a grant for writing ([Aside]).
//
// A filesystem layer looks at no file of the host. What it answers follows from its request
// alone; it says so in its description (sdk.Description.Pure), and the test kit holds it to that.
package places

import (
	"io/fs"

	"github.com/nono-run/nono/sdk/policy"
)

// View is what the agent sees of the files.
type View struct {
	// Additive says that places only ever add.
	Additive bool
	// Places are the paths at which something changes, sorted, so that parents come first.
	Places []Place
	// Links are the symbolic links that have to work inside and that no place shows, sorted.
	Links []Link
	// Rules says of every filesystem rule how it stands, in the order of the policy.
	Rules []Rule
}

// Shows is what is to be seen at a place.
type Shows string

// What a place shows.
const (
	Host    Shows = "host"    // the host's own file or directory
	Private Shows = "private" // an empty directory that the session has for itself
	Hidden  Shows = "hidden"  // a stand-in without rights for what is denied
	Empty   Shows = "empty"   // an empty directory that cannot be written
)

// Place is a path at which what is seen, or what may be done with it, is another than above it.
type Place struct {
	Path  string
	Shows Shows
	// Rule is what the place is there for; empty for what every session has.
	Rule policy.RuleID

	// Type is what stands on the host at Path. For the host's own and for what is hidden, Device
	// and Inode say which file that is, and Names how many names it has; of a directory it is 0.
	Type   policy.FileType
	Device uint64
	Inode  uint64
	Names  uint64

	// Rights are what the policy gives of the host's own. In the additive form they are what this
	// place and those above it give of it and of all beneath it.
	Rights Rights
	// List, in the additive form, says that the names in the place and beneath it may be listed.
	List bool
	// Copy says that the place is a single file which may be written and which lies in a private
	// directory, so that programs can be let save it as they do outside, by rename: shown as a
	// [fragment.Copy] and not as a mount.
	Copy bool
	// Devices says that device files may be opened there.
	Devices bool
	// Pin is the rule that would come to mean another file if the place were renamed.
	Pin policy.RuleID

	// Readable says that what is hidden, a file, is seen as an empty one rather than one that may
	// not be opened: programs read the files that are denied by default without being told to.
	Readable bool

	// Mode is a private directory's mode. How much it may hold is the layer's to say.
	Mode fs.FileMode
	// Report says of a private directory that the user is told at the end what was left in it.
	Report bool
}

// Rights are what the policy gives.
type Rights struct{ Read, Write, Execute bool }

// Link is a symbolic link inside.
type Link struct {
	Path   string
	Target string
	// Rule is the rule whose path is known by a name that leads through the link; empty if a
	// directory of the session's own is.
	Rule policy.RuleID
}

// Rule is how one filesystem rule stands when all of them are taken together.
type Rule struct {
	ID   policy.RuleID
	Path string
	Is   Standing
	// Rights are what is given in the end of what the rule grants.
	Rights Rights
	// Replaceable says that the rule is about a single file. A program outside that saves such a
	// file by rename puts a new one in its place, which a mount over the old one does not hold.
	Replaceable bool
	// Opened says of a grant in the additive form that it was opened up, for the sake of this path in
	// it first of all. Unlisted says that its directory cannot be listed then, because a directory
	// that is denied could be, too.
	Opened   string
	Unlisted bool
}

// Standing is how a rule stands.
type Standing string

// How rules stand.
const (
	Absent    Standing = "absent"    // nothing is there
	Own       Standing = "own"       // every session has its own of what the rule is about
	Kept      Standing = "kept"      // as Own, and denied: core puts it there all the same
	Shown     Standing = "shown"     // a grant: the place at its path or above gives Rights
	Overruled Standing = "overruled" // a grant or a protection of what is denied
	Masked    Standing = "masked"    // a denial of what a grant would show: a hidden place is there
	Stub      Standing = "stub"      // a denial of what no grant shows: a hidden place all the same
	Unseen    Standing = "unseen"    // a denial or a protection of what no grant shows
	ReadOnly  Standing = "read-only" // a protection: no place gives writing there
	Spared    Standing = "spared"    // a denial of what a grant would give: no place gives it
	Aside     Standing = "aside"     // a protection that places which only add cannot hold
	Unknown   Standing = "unknown"   // nobody knows what the rule wants
)
