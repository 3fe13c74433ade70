package wire_test

import (
	"io/fs"
	"strings"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Generators of what the contract allows.

var (
	names = rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_.-]{0,20}`)
	// Paths, names and values of variables are bytes, and need not be text.
	paths = rapid.Custom(func(t *rapid.T) string {
		return "/" + anyBytes("/.", 1, 20).Draw(t, "path")
	})
	variables = anyBytes("=", 1, 20)
	rules     = rapid.Custom(func(t *rapid.T) policy.RuleID {
		return policy.RuleID(rapid.StringMatching(`(filesystem\.deny\.[0-9])?`).Draw(t, "rule"))
	})
	ports = rapid.Uint16Range(1, 65535)
)

func steps() *rapid.Generator[[]fragment.Step] {
	return rapid.SliceOfN(rapid.OneOf(
		step(func(t *rapid.T) fragment.Step {
			return fragment.Env{
				For: rules.Draw(t, "for"), Name: variables.Draw(t, "name"),
				Value: rapid.SliceOfN(parts(), 0, 4).Draw(t, "value"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Bind{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"),
				From:     rapid.OneOf(rapid.Just(""), paths).Draw(t, "from"),
				Writable: rapid.Bool().Draw(t, "w"), NoExec: rapid.Bool().Draw(t, "x"),
				Devices: rapid.Bool().Draw(t, "d"),
				Device:  rapid.Uint64Min(1).Draw(t, "dev"), Inode: rapid.Uint64Min(1).Draw(t, "ino"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Copy{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"), NoExec: rapid.Bool().Draw(t, "x"),
				Device: rapid.Uint64Min(1).Draw(t, "dev"), Inode: rapid.Uint64Min(1).Draw(t, "ino"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Link{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"),
				Target: anyBytes("", 1, 20).Draw(t, "to"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Tmpfs{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"),
				Size:   rapid.Uint64Min(1).Draw(t, "size"),
				Mode:   modes(t) | rapid.SampledFrom([]fs.FileMode{0, fs.ModeSticky}).Draw(t, "sticky"),
				Report: rapid.Bool().Draw(t, "report"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Mask{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"), Directory: rapid.Bool().Draw(t, "d"),
				Readable: rapid.Bool().Draw(t, "r"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.File{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"), Mode: modes(t),
				Content: rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "content"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			all := []fragment.Right{
				fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite,
				fragment.RightDevice,
			}
			return fragment.Landlock{
				For: rules.Draw(t, "for"), Path: paths.Draw(t, "path"),
				Rights: rapid.Permutation(all).Draw(t, "rights")[:rapid.IntRange(1, 5).Draw(t, "n")],
				Device: rapid.Uint64().Draw(t, "device"), Inode: rapid.Uint64().Draw(t, "inode"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Seccomp{
				For:      rules.Draw(t, "for"),
				Syscalls: rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9_]{0,10}`), 1, 4).Draw(t, "calls"),
				When:     rapid.SliceOfN(conditions(), 0, 3).Draw(t, "when"),
				Errno:    rapid.SampledFrom([]string{"EPERM", "ENOSYS", "E2BIG"}).Draw(t, "errno"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Listener{
				For: rules.Draw(t, "for"), Name: names.Draw(t, "name"),
				Network:     rapid.SampledFrom([]fragment.Network{fragment.TCP, fragment.UDP}).Draw(t, "net"),
				Address:     rapid.SampledFrom([]string{"", "127.0.0.1", "0.0.0.0", "::1"}).Draw(t, "addr"),
				Port:        rapid.Uint16().Draw(t, "port"),
				LocalPrefix: rapid.SampledFrom([]string{"", "198.18.0.0/15"}).Draw(t, "prefix"),
			}
		}),
		step(func(t *rapid.T) fragment.Step {
			return fragment.Dialer{
				For: rules.Draw(t, "for"), Ports: rapid.SliceOfN(ports, 1, 5).Draw(t, "ports"),
			}
		}),
	), 1, 12)
}

func step(f func(*rapid.T) fragment.Step) *rapid.Generator[fragment.Step] { return rapid.Custom(f) }

func parts() *rapid.Generator[fragment.Part] {
	return rapid.Custom(func(t *rapid.T) fragment.Part {
		switch rapid.IntRange(0, 3).Draw(t, "part") {
		case 0:
			return fragment.Part{Literal: anyBytes("", 0, 20).Draw(t, "literal")}
		case 1:
			return fragment.HostVariable(variables.Draw(t, "host"))
		case 2:
			return fragment.SecretValue(names.Draw(t, "secret"))
		default:
			return fragment.ListenerAddress(names.Draw(t, "listener"))
		}
	})
}

func conditions() *rapid.Generator[fragment.Condition] {
	return rapid.Custom(func(t *rapid.T) fragment.Condition {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fragment.Comparison {
			return fragment.Comparison{
				Arg: rapid.IntRange(0, 5).Draw(t, "arg"), Mask: rapid.Uint64().Draw(t, "mask"),
				Op:     rapid.SampledFrom([]fragment.Op{fragment.OpIn, fragment.OpNotIn}).Draw(t, "op"),
				Values: rapid.SliceOfN(rapid.Uint64(), 1, 4).Draw(t, "values"),
			}
		}), 1, 3).Draw(t, "tests")
	})
}

// anyBytes are strings of any bytes but NUL and those in without.
func anyBytes(without string, least, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		b := rapid.SliceOfN(rapid.ByteMin(1), least, most).Draw(t, "bytes")
		for i, c := range b {
			if strings.IndexByte(without, c) >= 0 {
				b[i] = 0xff
			}
		}
		return string(b)
	})
}

func modes(t *rapid.T) fs.FileMode {
	return fs.FileMode(rapid.Uint32Range(0, 0o777).Draw(t, "mode"))
}

var (
	pathRules = rapid.Custom(func(t *rapid.T) policy.PathRule {
		return policy.PathRule{
			ID: rules.Draw(t, "id"), Source: source(t), Path: paths.Draw(t, "path"),
			Name: paths.Draw(t, "name"),
			Access: rapid.SampledFrom([]policy.Access{
				policy.Allow, policy.Read, policy.Write, policy.Deny, policy.Protect, policy.Unix,
			}).Draw(t, "access"),
			Type: rapid.SampledFrom([]policy.FileType{
				policy.Missing, policy.Regular, policy.Directory, policy.Special,
			}).Draw(t, "type"),
			Lifted: rapid.SliceOfN(lifts, 1, 3).Draw(t, "lifted"),
		}
	})
	lifts = rapid.Custom(func(t *rapid.T) policy.Lift {
		return policy.Lift{Path: paths.Draw(t, "path"), Source: source(t)}
	})
	keySources = rapid.Custom(func(t *rapid.T) policy.KeySource {
		return policy.KeySource{
			Type: rapid.SampledFrom([]policy.KeySourceType{
				policy.KeyringSource, policy.VariableSource, policy.FileSource,
				policy.CommandSource, policy.AgeSource,
			}).Draw(t, "type"),
			Name: anyBytes("", 1, 20).Draw(t, "name"),
			Args: rapid.SliceOfN(anyBytes("", 0, 20), 1, 3).Draw(t, "args"),
		}
	})
	envRules = rapid.Custom(func(t *rapid.T) policy.EnvRule {
		r := policy.EnvRule{
			ID: rules.Draw(t, "id"), Source: source(t), Name: variables.Draw(t, "name"),
			Value: anyBytes("", 0, 20).Draw(t, "value"),
			Action: rapid.SampledFrom([]policy.EnvAction{
				policy.EnvPass, policy.EnvSet, policy.EnvDeny, policy.EnvSecret,
			}).Draw(t, "action"),
			Secret: names.Draw(t, "secret"),
		}
		if r.Action == policy.EnvSecret {
			r.From = keySources.Draw(t, "from")
		}
		return r
	})
	hostRules = rapid.Custom(func(t *rapid.T) policy.HostRule {
		return policy.HostRule{
			ID: rules.Draw(t, "id"), Source: source(t),
			Action: rapid.SampledFrom([]policy.HostAction{
				policy.HostAllow, policy.HostDeny, policy.HostOpaque,
			}).Draw(t, "action"),
			Host: names.Draw(t, "host"), Ports: rapid.SliceOfN(ports, 1, 3).Draw(t, "ports"),
			Group: names.Draw(t, "group"),
		}
	})
)

func fallback(t *rapid.T) *policy.Fallback {
	if rapid.Bool().Draw(t, "no fallback") {
		return nil
	}
	return &policy.Fallback{
		Filesystem:  rapid.SliceOfN(pathRules, 1, 3).Draw(t, "files"),
		Lifts:       rapid.SliceOfN(lifts, 1, 3).Draw(t, "lifts"),
		Environment: rapid.SliceOfN(envRules, 1, 3).Draw(t, "variables"),
		Hosts:       rapid.SliceOfN(hostRules, 1, 3).Draw(t, "hosts"),
	}
}

func policies() *rapid.Generator[policy.Policy] {
	return rapid.Custom(func(t *rapid.T) policy.Policy {
		return policy.Policy{
			Filesystem:  rapid.SliceOfN(pathRules, 1, 5).Draw(t, "filesystem"),
			Environment: rapid.SliceOfN(envRules, 1, 5).Draw(t, "environment"),
			Network: policy.Network{
				Hosts: rapid.SliceOfN(hostRules, 1, 5).Draw(t, "hosts"),
				Ports: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.PortRule {
					return policy.PortRule{
						ID: rules.Draw(t, "id"), Source: source(t), Port: ports.Draw(t, "port"),
						Action: rapid.SampledFrom([]policy.PortAction{
							policy.PortLoopback, policy.PortListen,
						}).Draw(t, "action"),
					}
				}), 1, 3).Draw(t, "ports"),
				Upstream: &policy.Upstream{
					ID: rules.Draw(t, "id"), Source: source(t), URL: names.Draw(t, "url"),
					Bypass: rapid.SliceOfN(names, 1, 3).Draw(t, "bypass"),
				},
			},
			Credentials: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Credential {
				return policy.Credential{
					ID: rules.Draw(t, "id"), Source: source(t), Service: names.Draw(t, "service"),
					Upstream: names.Draw(t, "upstream"), Prefix: names.Draw(t, "prefix"),
					KeyVariable: names.Draw(t, "key"), URLVariable: names.Draw(t, "url"),
					Keys: rapid.SliceOfN(keySources, 1, 3).Draw(t, "keys"),
					Place: policy.KeyPlace{
						Type: rapid.SampledFrom([]policy.KeyPlaceType{
							policy.HeaderPlace, policy.QueryPlace, policy.BasicPlace, policy.PathPlace,
						}).Draw(t, "place"),
						Name: names.Draw(t, "name"), Format: names.Draw(t, "format"),
					},
					Methods:  rapid.SliceOfN(names, 1, 3).Draw(t, "methods"),
					Paths:    rapid.SliceOfN(names, 1, 3).Draw(t, "paths"),
					Optional: rapid.Bool().Draw(t, "optional"),
					Git:      rapid.SliceOfN(names, 1, 3).Draw(t, "git"),
					GitUser:  names.Draw(t, "user"),

					Arguments:     rapid.SliceOfN(anyBytes("", 0, 20), 1, 3).Draw(t, "arguments"),
					Fallback:      fallback(t),
					LoginVariable: names.Draw(t, "login"),
					LoginPath:     names.Draw(t, "behind"),
					Test: policy.KeyTest{
						Path: names.Draw(t, "test"), Header: names.Draw(t, "header"),
					},
				}
			}), 1, 3).Draw(t, "credentials"),
			Snapshot: policy.Snapshot{
				Paths: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.SnapshotPath {
					return policy.SnapshotPath{
						ID: rules.Draw(t, "id"), Source: source(t), Path: paths.Draw(t, "path"),
						Name: anyBytes("", 0, 20).Draw(t, "name"),
					}
				}), 1, 3).Draw(t, "recorded"),
				Exclude: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.SnapshotExclude {
					return policy.SnapshotExclude{
						ID: rules.Draw(t, "id"), Source: source(t),
						Pattern: anyBytes("", 1, 20).Draw(t, "pattern"),
					}
				}), 1, 3).Draw(t, "exclude"),
				Keep: &policy.SnapshotKeep{
					ID: rules.Draw(t, "id"), Source: source(t),
					Sessions: rapid.Ptr(rapid.Int64Min(0), true).Draw(t, "sessions"),
					Age:      rapid.Ptr(rapid.Int64Min(0), true).Draw(t, "age"),
					Size:     rapid.Ptr(rapid.Int64Min(0), true).Draw(t, "size"),
				},
			},
			Trust: trust(t),
			Disabled: []policy.Disabled{{
				Kind: rapid.SampledFrom([]policy.Kind{
					policy.KindTrust, policy.KindCredentials, policy.KindNetwork, policy.KindSnapshot,
					policy.KindCustom, policy.KindFilesystem,
				}).Draw(t, "kind"),
				Source: source(t),
			}},
		}
	})
}

func trust(t *rapid.T) policy.Trust {
	word := rapid.StringMatching("[a-z0-9]{1,12}")
	return policy.Trust{
		Files: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.TrustFile {
			return policy.TrustFile{
				ID: rules.Draw(t, "id"), Source: source(t),
				Pattern: rapid.SampledFrom([]string{"CLAUDE.md", "/srv/**", ".a/\xff?"}).Draw(t, "pattern"),
			}
		}), 1, 3).Draw(t, "files"),
		Unsigned: &policy.TrustUnsigned{
			ID: rules.Draw(t, "id"), Source: source(t),
			Is: rapid.SampledFrom([]policy.Unsigned{
				policy.UnsignedAllow, policy.UnsignedWarn, policy.UnsignedRefuse,
			}).Draw(t, "unsigned"),
		},
		Signers: []policy.TrustSigner{{
			ID: rules.Draw(t, "id"), Source: source(t), Key: word.Draw(t, "key"),
			Identity: word.Draw(t, "identity"), Issuer: word.Draw(t, "issuer"),
		}},
		Revoked: []policy.TrustRevoked{{
			ID: rules.Draw(t, "id"), Source: source(t), SHA256: word.Draw(t, "revoked"),
		}},
		Roots: []policy.TrustRoot{{
			ID: rules.Draw(t, "id"), Source: source(t), Path: paths.Draw(t, "root"),
		}},
	}
}

func source(t *rapid.T) policy.Source {
	n := rapid.IntRange(0, 100000)
	return policy.Source{
		Origin: rapid.SampledFrom([]policy.Origin{
			policy.OriginBase, policy.OriginDefault, policy.OriginConfig, policy.OriginProfile,
			policy.OriginFile, policy.OriginCommand, policy.OriginFlag,
		}).Draw(t, "origin"),
		File: anyBytes("", 0, 20).Draw(t, "file"), Flag: anyBytes("", 0, 20).Draw(t, "flag"),
		Line: n.Draw(t, "line"), Column: n.Draw(t, "column"), EndLine: n.Draw(t, "endline"),
		EndColumn: n.Draw(t, "endcolumn"),
	}
}
