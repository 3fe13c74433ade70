package landlock

import (
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// mounts is the view, a mount a place.
func mounts(v places.View, size sizes) []fragment.Step {
	steps := make([]fragment.Step, 0, len(v.Places)+len(v.Links))
	for _, p := range v.Places {
		steps = append(steps, mount(p, size))
	}
	for _, l := range v.Links {
		steps = append(steps, fragment.Link{For: l.Rule, Path: l.Path, Target: l.Target})
	}
	return steps
}

func mount(p places.Place, size sizes) fragment.Step {
	switch p.Shows {
	case places.Host:
		if p.Copy {
			return fragment.Copy{
				For: p.Rule, Path: p.Path, NoExec: !p.Rights.Execute, Device: p.Device, Inode: p.Inode,
			}
		}
		return fragment.Bind{
			For: p.Rule, Path: p.Path, Writable: p.Rights.Write, NoExec: !p.Rights.Execute,
			Devices: p.Devices, Device: p.Device, Inode: p.Inode,
		}
	case places.Private:
		return fragment.Tmpfs{
			For: p.Rule, Path: p.Path, Size: size.of(p), Mode: p.Mode, Report: p.Report,
		}
	case places.Empty:
		const page = 4096 // the least that a file system in memory can have
		return fragment.Tmpfs{For: p.Rule, Path: p.Path, Size: page, Mode: 0o555}
	case places.Hidden:
	}
	// What is not known is hidden, which gives nothing.
	return fragment.Mask{
		For: p.Rule, Path: p.Path, Directory: p.Type == policy.Directory, Readable: p.Readable,
	}
}
