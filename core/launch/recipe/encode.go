package recipe

import (
	"errors"
	"fmt"

	"github.com/nono-run/nono/core/launch/coding"
	"github.com/nono-run/nono/sdk/fragment"
)

// format is the number of what is written between core and nono-init. It stands before each message
// and each recipe, so that a nono-init of another build, whose fields may be others, is noticed at
// its first word. Whoever changes a field changes it; a test says so.
const format = 2

// framed is a message behind the number of the format.
type framed struct{ coding.Coded }

// Walk implements [coding.Coded].
func (m framed) Walk(c *coding.Coder) {
	var is uint16 = format
	if coding.Number(c, &is); is != format {
		c.Refuse(fmt.Errorf(
			"it is of another build of nono: its format is %d, and ours is %d", is, format,
		))
		return
	}
	m.Coded.Walk(c)
}

func (r *Recipe) encode() ([]byte, error) {
	return coding.Append(make([]byte, 0, len(r.Seccomp)+16<<10), framed{r})
}

func decode(data []byte) (*Recipe, error) {
	r := new(Recipe)
	if err := coding.Read(data, framed{r}); err != nil {
		return nil, fmt.Errorf("decoding the recipe: %w", err)
	}
	return r, nil
}

// Walk implements [coding.Coded].
func (r *Recipe) Walk(c *coding.Coder) {
	coding.List(c, (*[]fragment.Step)(&r.Mounts), codeMount)
	coding.List(c, &r.Listeners, codeListener)
	coding.List(c, &r.Dial, coding.Number[uint16])
	coding.List(c, &r.Landlock, codeLandlock)
	coding.Number(c, &r.LandlockABI)
	coding.List(c, &r.BindTCP, coding.Number[uint16])
	c.Flag(&r.Terminal)
	c.Bytes(&r.Seccomp)
	c.Bytes(&r.Notify)
	coding.Text(c, &r.Executable)
	coding.List(c, &r.Args, coding.Text[string])
	coding.List(c, &r.Env, coding.Text[string])
	coding.Text(c, &r.Dir)
	coding.Number(c, &r.Umask)
	coding.Number(c, &r.OpenFiles)
	coding.Number(c, &r.Processes)
	for n := range r.Streams {
		r.Streams[n].Walk(c)
	}
}

// Walk implements [coding.Coded].
func (s *Stream) Walk(c *coding.Coder) {
	coding.Text(c, &s.Kind)
	c.Flag(&s.Read)
	c.Flag(&s.Write)
	coding.Text(c, &s.Path)
	coding.Number(c, &s.Device)
	coding.Number(c, &s.Inode)
}

// The numbers of the kinds of mount. Zero is none of them.
const (
	bindMount = 1 + iota
	copyMount
	fileMount
	holdMount
	linkMount
	maskMount
	pseudoMount
	tmpfsMount
)

func codeMount(c *coding.Coder, s *fragment.Step) {
	kind := kindOf(*s)
	coding.Number(c, &kind)
	switch kind {
	case bindMount:
		codeStep(c, s, codeBind)
	case copyMount:
		codeStep(c, s, codeCopy)
	case fileMount:
		codeStep(c, s, codeFile)
	case holdMount:
		codeStep(c, s, codeHold)
	case linkMount:
		codeStep(c, s, codeLink)
	case maskMount:
		codeStep(c, s, codeMask)
	case pseudoMount:
		codeStep(c, s, codePseudo)
	case tmpfsMount:
		codeStep(c, s, codeTmpfs)
	default: // as what is no mount was written: nono-init says so
		c.Refuse(errors.New("a mount is of no kind that there is"))
	}
}

func kindOf(s fragment.Step) uint16 {
	switch s.(type) {
	case fragment.Bind:
		return bindMount
	case fragment.Copy:
		return copyMount
	case fragment.File:
		return fileMount
	case fragment.Hold:
		return holdMount
	case fragment.Link:
		return linkMount
	case fragment.Mask:
		return maskMount
	case fragment.Pseudo:
		return pseudoMount
	case fragment.Tmpfs:
		return tmpfsMount
	default:
		return 0
	}
}

// codeStep takes a step of a known type.
func codeStep[T fragment.Step](c *coding.Coder, s *fragment.Step, code func(*coding.Coder, *T)) {
	var step T
	if !c.Reading() {
		step = (*s).(T)
	}
	code(c, &step)
	*s = step
}

func codeBind(c *coding.Coder, s *fragment.Bind) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.Text(c, &s.From)
	c.Flag(&s.Writable)
	c.Flag(&s.NoExec)
	c.Flag(&s.Devices)
	coding.Number(c, &s.Device)
	coding.Number(c, &s.Inode)
	coding.Text(c, &s.SHA256)
}

func codeCopy(c *coding.Coder, s *fragment.Copy) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	c.Flag(&s.NoExec)
	coding.Number(c, &s.Device)
	coding.Number(c, &s.Inode)
}

func codeFile(c *coding.Coder, s *fragment.File) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.Number(c, &s.Mode)
	c.Bytes(&s.Content)
}

func codeHold(c *coding.Coder, s *fragment.Hold) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.Text(c, &s.From)
	coding.Number(c, &s.Device)
	coding.Number(c, &s.Inode)
}

func codeLink(c *coding.Coder, s *fragment.Link) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.Text(c, &s.Target)
}

func codeMask(c *coding.Coder, s *fragment.Mask) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	c.Flag(&s.Directory)
	c.Flag(&s.Readable)
}

func codePseudo(c *coding.Coder, s *fragment.Pseudo) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.Text(c, &s.Type)
}

func codeTmpfs(c *coding.Coder, s *fragment.Tmpfs) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.Number(c, &s.Size)
	coding.Number(c, &s.Mode)
	c.Flag(&s.Report)
}

func codeListener(c *coding.Coder, s *fragment.Listener) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Name)
	coding.Text(c, &s.Network)
	coding.Text(c, &s.Address)
	coding.Number(c, &s.Port)
	coding.Text(c, &s.LocalPrefix)
}

func codeLandlock(c *coding.Coder, s *fragment.Landlock) {
	coding.Text(c, &s.For)
	coding.Text(c, &s.Path)
	coding.List(c, &s.Rights, coding.Text[fragment.Right])
	coding.Number(c, &s.Device)
	coding.Number(c, &s.Inode)
}
