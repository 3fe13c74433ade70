package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// Tier waits for nono-init to have come as far as this host lets it, and returns what that is. An
// [UnavailableError] means that the host has no such sandbox; its Next says whether the other tier
// does without what is missing.
func (i *Init) Tier(ctx context.Context) (recipe.Host, error) {
	a, err := i.answer(ctx, "finding out what this host can enforce")
	var failed *StepError
	if errors.As(err, &failed) {
		if u := explain(failed.Step, failed.Path, failed.Errno, thisHost); u != nil {
			return recipe.Host{}, u
		}
	}
	if err != nil {
		return recipe.Host{}, err
	}
	if a.Host == nil {
		return recipe.Host{}, i.confused(a)
	}
	return *a.Host, nil
}

// Begin hands over the mounts of a recipe whose rest is not known yet, and does not wait: nono-init
// builds the view of them meanwhile. What goes wrong is the error of Prepare, whose recipe must
// have the same mounts. Only a sandbox of tier A has any.
func (i *Init) Begin(mounts fragment.List) {
	i.begun = mounts
	i.beginning = i.hand(&recipe.Recipe{Mounts: mounts}, recipe.Request{Begin: true})
}

// hand sends a recipe, or what begins one. Where nono-init has gone, the error is what it said
// last.
func (i *Init) hand(r *recipe.Recipe, as recipe.Request) error {
	memfd, err := r.Seal()
	if errors.Is(err, unix.ENOSYS) {
		return withoutCall("memfd_create", thisHost)
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(memfd) }()
	if err := i.ask(as, memfd); err != nil {
		return i.unheard(preparing, err)
	}
	return nil
}

// preparing is what errors of all that Prepare does begin with.
const preparing = "preparing the sandbox"

// Prepare hands over the recipe and waits until everything but the agent stands. A step that fails
// is a [StepError], with its rule. What the streams are is said by [Options], and not by the
// caller.
func (i *Init) Prepare(ctx context.Context, r *recipe.Recipe) (*Ready, error) {
	whole := *r
	whole.Streams = i.pipes.told
	if i.begun != nil {
		if i.beginning != nil {
			return nil, i.beginning
		}
		if !slices.EqualFunc(i.begun, r.Mounts, sameMount) {
			return nil, errors.New(
				preparing + ": its mounts have changed since it was begun, which is a flaw of nono")
		}
		whole.Mounts = nil // nono-init has them
	}
	if err := i.hand(&whole, recipe.Request{Prepare: true}); err != nil {
		return nil, err
	}
	for _, port := range r.Dial {
		i.ports[port] = true
	}
	ready := &Ready{
		Listeners: map[string]*os.File{}, Reports: map[string]*os.File{}, Copies: map[string]*os.File{},
	}
	a, err := i.answer(ctx, preparing)
	if err != nil {
		return nil, err
	}
	if a.Ready == nil {
		return nil, i.confused(a)
	}
	if err = i.add(ready, a); err == nil {
		err = ready.complete(r)
	}
	if err != nil {
		ready.Close()
		return nil, err
	}
	return ready, nil
}

// complete is an error where something is missing that the recipe asks for.
func (r *Ready) complete(asked *recipe.Recipe) error {
	for _, l := range asked.Listeners {
		if r.Listeners[l.Name] == nil {
			return fmt.Errorf("%s: nono-init did not open the listener %q", preparing, l.Name)
		}
	}
	for _, s := range asked.Mounts {
		if c, ok := s.(fragment.Copy); ok && r.Copies[c.Path] == nil {
			return fmt.Errorf("%s: nono-init did not hand over %s", preparing, c.Path)
		}
	}
	if len(asked.Notify) > 0 && r.Notify == nil {
		return errors.New(
			preparing + ": nono-init did not hand over the listener of notifications")
	}
	return nil
}

// sameMount compares two mounts, of which a file has content.
func sameMount(a, b fragment.Step) bool {
	f, isFile := a.(fragment.File)
	if !isFile {
		return a == b
	}
	g, isFile := b.(fragment.File)
	return isFile && f.For == g.For && f.Path == g.Path && f.Mode == g.Mode &&
		bytes.Equal(f.Content, g.Content)
}

// add takes what came with an answer to Prepare.
func (i *Init) add(r *Ready, a answer) error {
	var failed error
	for n, d := range a.Ready.Descriptors {
		if d.Kind == recipe.TerminalDescriptor {
			_ = unix.SetNonblock(a.fds[n], true) // of a descriptor that is open this cannot fail
		}
		f := os.NewFile(uintptr(a.fds[n]), d.Name)
		files := r.Listeners
		switch d.Kind {
		case recipe.ListenerDescriptor:
		case recipe.ReportDescriptor:
			files = r.Reports
		case recipe.StreamDescriptor:
			failed = errors.Join(failed, i.pipes.view(d.Name, f))
			continue
		case recipe.TerminalDescriptor:
			r.Terminal = f
			continue
		case recipe.NotifyDescriptor:
			r.Notify = f
			continue
		case recipe.CopyDescriptor:
			files = r.Copies
		}
		if old := files[d.Name]; old != nil {
			_ = old.Close()
		}
		files[d.Name] = f
	}
	return failed
}
