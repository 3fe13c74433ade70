package check_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/policy"
)

const file = "/p/CLAUDE.md"

var (
	ada  = memory.Signer{Key: "ada"}
	bob  = memory.Signer{Key: "bob"}
	good = sha256.Sum256([]byte("good"))
	evil = sha256.Sum256([]byte("evil"))
)

// rules are those of a policy that says nothing.
func rules() *check.Rules {
	return &check.Rules{
		Unsigned: policy.UnsignedAllow, Says: "trust.unsigned.0",
		Revoked: func([32]byte) (policy.RuleID, bool) { return "", false },
		Who:     func(s memory.Signer) string { return "key " + s.Key },
		Show:    func(path string) string { return strings.TrimPrefix(path, "/p/") },
	}
}

// own is a bundle beside the file, of one who is trusted.
func own(signer memory.Signer, name string, sum [32]byte) *check.Bundle {
	return &check.Bundle{
		Path: file + ".sigstore.json", Worth: check.Good, Signer: signer, Files: map[string][32]byte{name: sum},
	}
}

// bad is one that is worth something else.
func bad(worth check.Worth) *check.Bundle {
	return &check.Bundle{Path: file + ".sigstore.json", Worth: worth, Why: "it says so", Rule: "trust.revoked.0"}
}

func message(sum [32]byte) *check.Bundle {
	return &check.Bundle{Path: file + ".bundle", Worth: check.Good, Signer: ada, Message: &sum}
}

// set is a bundle of many files.
func set(signer memory.Signer, sum [32]byte, closed ...string) *check.Bundle {
	b := &check.Bundle{
		Path: "/p/.nono-trust.sigstore.json", Worth: check.Good, Signer: signer,
		Files: map[string][32]byte{"CLAUDE.md": sum, "sub/AGENTS.md": sum},
	}
	for _, text := range closed {
		p, err := glob.Parse(text)
		if err != nil {
			panic(err)
		}
		b.Closed = append(b.Closed, p)
	}
	return b
}

func badSet(worth check.Worth) *check.Bundle {
	return &check.Bundle{Path: "/p/.nono-trust.sigstore.json", Worth: worth, Why: "it says so"}
}

func signedBy(signer memory.Signer, link string) *memory.Entry {
	return &memory.Entry{
		Path: file, Signer: signer, Since: time.Unix(1790000000, 0), Bundle: file + ".sigstore.json", Link: link,
	}
}

func target(status check.Status) *check.Verdict {
	return &check.Verdict{
		Path: "/p/AGENTS.md", Status: status, Signer: ada, Bundle: "/p/AGENTS.md.sigstore.json", SHA256: good,
	}
}

// present is the file with the content that is signed in these tests.
func present(more func(*check.File)) check.File {
	f := check.File{Path: file, Rule: "trust.files.0", State: check.Present, SHA256: good}
	if more != nil {
		more(&f)
	}
	return f
}

var cases = []struct {
	name string
	file check.File
	want check.Status
	why  check.Reason
	says string // a part of the sentence
}{
	{name: "never signed", file: present(nil), want: check.Allowed, why: check.Unsigned},
	{
		name: "signed", file: present(func(f *check.File) { f.Own = []*check.Bundle{own(ada, "CLAUDE.md", good)} }),
		want: check.Verified,
	},
	{
		name: "signed without a name", file: present(func(f *check.File) { f.Own = []*check.Bundle{message(good)} }),
		want: check.Verified,
	},
	{
		name: "signed with others", file: present(func(f *check.File) { f.Sets = []*check.Bundle{set(ada, good)} }),
		want: check.Verified,
	},
	{
		name: "signed, and remembered", file: present(func(f *check.File) {
			f.Own, f.Remembered = []*check.Bundle{own(ada, "CLAUDE.md", good)}, signedBy(ada, "")
		}),
		want: check.Verified,
	},
	{
		name: "a closed set has it",
		file: present(func(f *check.File) { f.Sets = []*check.Bundle{set(ada, good, "**/*.md")} }),
		want: check.Verified,
	},
	{
		name: "one of two signatures is of an older content", file: present(func(f *check.File) {
			f.Own, f.Sets = []*check.Bundle{own(ada, "CLAUDE.md", evil)}, []*check.Bundle{set(ada, good)}
		}),
		want: check.Verified,
	},
	{
		name: "one of two signers is remembered", file: present(func(f *check.File) {
			f.Own, f.Sets = []*check.Bundle{own(bob, "CLAUDE.md", good)}, []*check.Bundle{set(ada, good)}
			f.Remembered = signedBy(ada, "")
		}),
		want: check.Verified,
	},
	{
		name: "one of two signers is not trusted", file: present(func(f *check.File) {
			f.Own = []*check.Bundle{bad(check.Stranger), message(good)}
		}),
		want: check.Verified,
	},
	{
		name: "another content",
		file: present(func(f *check.File) { f.SHA256, f.Own = evil, []*check.Bundle{own(ada, "CLAUDE.md", good)} }),
		want: check.Refused, why: check.Changed, says: "CLAUDE.md is not what was signed: it was changed after key ada signed it",
	},
	{
		name: "another content than others have",
		file: present(func(f *check.File) { f.SHA256, f.Sets = evil, []*check.Bundle{set(ada, good)} }),
		want: check.Refused, why: check.Changed, says: "(.nono-trust.sigstore.json)",
	},
	{
		name: "another content, without a name",
		file: present(func(f *check.File) { f.SHA256, f.Own = evil, []*check.Bundle{message(good)} }),
		want: check.Refused, why: check.Changed, says: "it was changed",
	},
	{
		name: "a signature of another file",
		file: present(func(f *check.File) { f.Own = []*check.Bundle{own(ada, "OTHER.md", good)} }),
		want: check.Refused, why: check.OtherFile, says: "is the signature of another file (OTHER.md)",
	},
	{
		name: "a broken signature", file: present(func(f *check.File) { f.Own = []*check.Bundle{bad(check.Broken)} }),
		want: check.Refused, why: check.BrokenBundle, says: "is broken (CLAUDE.md.sigstore.json): it says so",
	},
	{
		name: "a broken one beside a good one",
		file: present(func(f *check.File) { f.Own = []*check.Bundle{bad(check.Broken), message(good)} }),
		want: check.Refused, why: check.BrokenBundle, says: "is broken",
	},
	{
		name: "a revoked key", file: present(func(f *check.File) { f.Own = []*check.Bundle{bad(check.Revoked)} }),
		want: check.Refused, why: check.RevokedKey, says: "with a key that was revoked",
	},
	{
		name: "a bundle of no worth at all", file: present(func(f *check.File) { f.Own = []*check.Bundle{bad("")} }),
		want: check.Refused, why: check.BrokenBundle, says: "is broken",
	},
	{
		name: "by somebody who is not trusted",
		file: present(func(f *check.File) { f.Own = []*check.Bundle{bad(check.Stranger)} }),
		want: check.Warned, why: check.OfStranger, says: "counts as not signed",
	},
	{
		name: "by somebody else", file: present(func(f *check.File) {
			f.Own, f.Remembered = []*check.Bundle{own(bob, "CLAUDE.md", good)}, signedBy(ada, "")
		}),
		want: check.Refused, why: check.OtherSigner, says: "signed by somebody else: by key bob",
	},
	{
		name: "by somebody else who is not trusted", file: present(func(f *check.File) {
			f.Own, f.Remembered = []*check.Bundle{bad(check.Stranger)}, signedBy(ada, "")
		}),
		want: check.Refused, why: check.StrangerNow, says: "somebody whom you do not trust",
	},
	{
		name: "not signed any more", file: present(func(f *check.File) { f.Remembered = signedBy(ada, "") }),
		want: check.Refused, why: check.SignatureGone, says: "is not signed any more: key ada signed it",
	},
	{
		name: "it was changed, and is remembered", file: present(func(f *check.File) {
			f.SHA256, f.Own, f.Remembered = evil, []*check.Bundle{own(ada, "CLAUDE.md", good)}, signedBy(ada, "")
		}),
		want: check.Refused, why: check.Changed, says: "it was changed",
	},
	{
		name: "not of a closed set", file: present(func(f *check.File) {
			f.Path, f.Sets = "/p/sub/CLAUDE.md", []*check.Bundle{set(ada, good, "**/CLAUDE.md")}
		}),
		want: check.Refused, why: check.Uninvited, says: "sub/CLAUDE.md is none of the files that key ada signed",
	},
	{
		name: "not of a closed set, and signed itself", file: present(func(f *check.File) {
			f.Path, f.Sets = "/p/sub/CLAUDE.md", []*check.Bundle{set(ada, good, "**/CLAUDE.md")}
			f.Own = []*check.Bundle{own(ada, "CLAUDE.md", good)}
		}),
		want: check.Refused, why: check.Uninvited, says: "nothing else may lie there",
	},
	{
		name: "not of a set that is open", file: present(func(f *check.File) {
			f.Path, f.Sets = "/p/sub/CLAUDE.md", []*check.Bundle{set(ada, good, "*.txt")}
		}),
		want: check.Allowed, why: check.Unsigned,
	},
	{
		name: "a set of somebody who is not trusted closes nothing", file: present(func(f *check.File) {
			f.Path, f.Sets = "/p/sub/CLAUDE.md", []*check.Bundle{set(ada, good, "**/CLAUDE.md")}
			f.Sets[0].Worth = check.Stranger
		}),
		want: check.Allowed, why: check.Unsigned,
	},
	{
		name: "beneath a broken set", file: present(func(f *check.File) { f.Sets = []*check.Bundle{badSet(check.Broken)} }),
		want: check.Refused, why: check.BrokenSet,
	},
	{
		name: "gone", file: check.File{Path: file, State: check.Absent, Remembered: signedBy(ada, "")},
		want: check.Allowed, why: check.Gone,
	},
	{
		name: "gone from an open set",
		file: check.File{Path: file, State: check.Absent, Sets: []*check.Bundle{set(ada, good)}},
		want: check.Allowed, why: check.Gone,
	},
	{
		name: "gone from a closed set",
		file: check.File{Path: file, State: check.Absent, Sets: []*check.Bundle{set(ada, good, "*.md")}},
		want: check.Refused, why: check.Missing, says: "CLAUDE.md is missing",
	},
	{
		name: "no file, and nobody says that it was signed",
		file: check.File{Path: file, Rule: "trust.files.0", State: check.Unfit, Why: "it is a link"},
		want: check.Allowed, why: check.UnfitFile,
	},
	{
		name: "no file, and it was signed",
		file: check.File{Path: file, State: check.Unfit, Why: "it is a link", Remembered: signedBy(ada, "")},
		want: check.Refused, why: check.UnfitFile, says: "CLAUDE.md cannot be verified: it is a link",
	},
	{
		name: "no file, and a signature lies beside it", file: check.File{
			Path: file, State: check.Unfit, Why: "it is a link", Own: []*check.Bundle{bad(check.Stranger)},
		},
		want: check.Refused, why: check.UnfitFile, says: "cannot be verified",
	},
	{
		name: "no file, and a set has it", file: check.File{
			Path: file, State: check.Unfit, Why: "it is a link", Sets: []*check.Bundle{set(ada, good)},
		},
		want: check.Refused, why: check.UnfitFile, says: "cannot be verified",
	},
	{
		name: "nobody looked at it", file: check.File{Path: file, Remembered: signedBy(ada, "")},
		want: check.Refused, why: check.UnfitFile, says: "nobody has looked at it",
	},
	{
		name: "a link to one that is verified",
		file: present(func(f *check.File) { f.Link, f.Target = "AGENTS.md", target(check.Verified) }),
		want: check.Verified,
	},
	{
		name: "the same, remembered", file: present(func(f *check.File) {
			f.Link, f.Target, f.Remembered = "AGENTS.md", target(check.Verified), signedBy(ada, "AGENTS.md")
		}),
		want: check.Verified,
	},
	{
		name: "a link to one that was never signed",
		file: present(func(f *check.File) { f.Link, f.Target = "AGENTS.md", target(check.Allowed) }),
		want: check.Allowed, why: check.Unsigned,
	},
	{
		name: "a link to one that is refused",
		file: present(func(f *check.File) { f.Link, f.Target = "AGENTS.md", target(check.Refused) }),
		want: check.Refused, why: check.BadTarget,
	},
	{
		name: "a link where a file was", file: present(func(f *check.File) {
			f.Link, f.Target, f.Remembered = "AGENTS.md", target(check.Verified), signedBy(ada, "")
		}),
		want: check.Refused, why: check.Relinked, says: "is a link to AGENTS.md, and was a file of its own when key ada signed it",
	},
	{
		name: "a link that led elsewhere", file: present(func(f *check.File) {
			f.Link, f.Target, f.Remembered = "AGENTS.md", target(check.Verified), signedBy(ada, "OTHER.md")
		}),
		want: check.Refused, why: check.Relinked, says: "was a link to OTHER.md",
	},
	{
		name: "a file where a link was", file: present(func(f *check.File) { f.Remembered = signedBy(ada, "AGENTS.md") }),
		want: check.Refused, why: check.SignatureGone, says: "not signed any more",
	},
	{
		name: "a link, with a signature of its own that is another's", file: present(func(f *check.File) {
			f.Link, f.Target, f.Own = "AGENTS.md", target(check.Allowed), []*check.Bundle{own(ada, "CLAUDE.md", evil)}
		}),
		want: check.Refused, why: check.Changed, says: "not what was signed",
	},
	{
		name: "named by nobody", file: present(func(f *check.File) { f.Rule = "" }), want: check.Allowed,
	},
}

func TestDecide(t *testing.T) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			v := rules().Decide(&tt.file)
			if v.Status != tt.want || v.Reason != tt.why || v.Path != tt.file.Path {
				t.Errorf("%s (%s), want %s (%s)", v.Status, v.Reason, tt.want, tt.why)
			}
			said := v.Status == check.Refused && v.Cause == "" || v.Status == check.Warned
			if !strings.Contains(v.Says, tt.says) || (tt.says != "") != said || (v.Says != "") != said || (v.Try != "") != said {
				t.Errorf("it says %q, and to do %q", v.Says, v.Try)
			}
			if (v.Status == check.Verified) != (v.Signer == ada && v.Bundle != "" && v.SHA256 == good) {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestEachRefusalHasItsOwnSentence: whoever reads one knows which it is.
func TestEachRefusalHasItsOwnSentence(t *testing.T) {
	first := map[string]check.Reason{} // by what is left without names
	plain := strings.NewReplacer("/sub", "", "sub/", "", ".nono-trust.sigstore.json", "B", "CLAUDE.md.sigstore.json", "B",
		"CLAUDE.md.bundle", "B")
	for _, tt := range cases {
		v := rules().Decide(&tt.file)
		if v.Says == "" {
			continue
		}
		says := plain.Replace(v.Says)
		if other, ok := first[says]; ok && other != v.Reason {
			t.Errorf("%s and %s both say %q", other, v.Reason, says)
		}
		first[says] = v.Reason
	}
}

func TestUnsigned(t *testing.T) {
	for _, tt := range []struct {
		unsigned policy.Unsigned
		never    check.Status
		stranger check.Status
	}{
		{policy.UnsignedAllow, check.Allowed, check.Warned},
		{policy.UnsignedWarn, check.Warned, check.Warned},
		{policy.UnsignedRefuse, check.Refused, check.Refused},
		{"", check.Refused, check.Refused},
		{"else", check.Refused, check.Refused},
	} {
		r := rules()
		r.Unsigned = tt.unsigned
		byStranger := present(func(f *check.File) { f.Own = []*check.Bundle{bad(check.Stranger)} })
		for want, f := range map[*check.Status]check.File{&tt.never: present(nil), &tt.stranger: byStranger} {
			v := r.Decide(&f)
			if v.Status != *want {
				t.Errorf("%q: %s, want %s", tt.unsigned, v.Status, *want)
			}
			if asked := tt.unsigned != policy.UnsignedAllow; asked != (v.Rule == "trust.unsigned.0") {
				t.Errorf("%q: it is told at %q", tt.unsigned, v.Rule)
			}
		}
		// What no pattern means was never to be signed.
		f := present(func(f *check.File) { f.Rule = "" })
		if v := r.Decide(&f); v.Status != check.Allowed {
			t.Errorf("%q: a file that no pattern means is %s", tt.unsigned, v.Status)
		}
	}
}

func TestRevokedContent(t *testing.T) {
	r := rules()
	r.Revoked = func(sum [32]byte) (policy.RuleID, bool) { return "trust.revoked.0", sum == good }
	for _, f := range []check.File{
		present(nil), present(func(f *check.File) { f.Own = []*check.Bundle{own(ada, "CLAUDE.md", good)} }),
	} {
		v := r.Decide(&f)
		if v.Status != check.Refused || v.Reason != check.RevokedContent || v.Rule != "trust.revoked.0" ||
			!strings.Contains(v.Says, fmt.Sprintf("sha256:%x", good)) {
			t.Errorf("%+v", v)
		}
	}
}

func TestSetsAndLookalikes(t *testing.T) {
	for worth, want := range map[check.Worth]check.Status{
		check.Good: "", check.Stranger: check.Warned, check.Revoked: check.Refused, check.Broken: check.Refused, "": check.Refused,
	} {
		v := rules().DecideSet(badSet(worth))
		if v.Status != want || (want != "") != (v.Says != "") {
			t.Errorf("%q: %+v", worth, v)
		}
	}
	v := rules().DecideLookalike("/p/claude.md", "/p/CLAUDE.md")
	if v.Status != check.Refused || !strings.Contains(v.Says, "claude.md may be taken for CLAUDE.md") {
		t.Errorf("%+v", v)
	}
}

// anyBundle draws one.
func anyBundle(path string) *rapid.Generator[*check.Bundle] {
	return rapid.Custom(func(r *rapid.T) *check.Bundle {
		b := &check.Bundle{
			Path:   path,
			Worth:  rapid.SampledFrom([]check.Worth{check.Good, check.Good, check.Good, check.Good, check.Stranger, check.Revoked, check.Broken, ""}).Draw(r, "worth"),
			Signer: rapid.SampledFrom([]memory.Signer{ada, bob}).Draw(r, "signer"),
			Files:  map[string][32]byte{},
		}
		for _, name := range []string{"CLAUDE.md", "OTHER.md"} {
			if rapid.Bool().Draw(r, "has "+name) {
				b.Files[name] = rapid.SampledFrom([][32]byte{good, evil}).Draw(r, "digest")
			}
		}
		if rapid.IntRange(0, 3).Draw(r, "closed") == 0 {
			b.Closed = []glob.Pattern{{"*.md"}}
		}
		if rapid.IntRange(0, 3).Draw(r, "message") == 0 {
			b.Message = rapid.SampledFrom([]*[32]byte{&good, &evil}).Draw(r, "of")
		}
		return b
	})
}

func anyFile() *rapid.Generator[*check.File] {
	return rapid.Custom(func(r *rapid.T) *check.File {
		f := &check.File{
			Path:   file,
			Rule:   rapid.SampledFrom([]policy.RuleID{"", "trust.files.0"}).Draw(r, "rule"),
			State:  rapid.SampledFrom([]check.State{check.Present, check.Present, check.Present, check.Present, check.Absent, check.Unfit, ""}).Draw(r, "state"),
			SHA256: rapid.SampledFrom([][32]byte{good, evil}).Draw(r, "content"),
			Own:    rapid.SliceOfN(anyBundle(file+".sigstore.json"), 0, 2).Draw(r, "own"),
			Sets:   rapid.SliceOfN(anyBundle("/p/.nono-trust.sigstore.json"), 0, 2).Draw(r, "sets"),
		}
		if rapid.Bool().Draw(r, "remembered") {
			f.Remembered = signedBy(rapid.SampledFrom([]memory.Signer{ada, bob}).Draw(r, "by"),
				rapid.SampledFrom([]string{"", "AGENTS.md"}).Draw(r, "as"))
		}
		if rapid.Bool().Draw(r, "is a link") {
			f.Link = "AGENTS.md"
			f.Target = target(rapid.SampledFrom([]check.Status{check.Verified, check.Allowed, check.Refused}).Draw(r, "target"))
			f.Target.SHA256 = f.SHA256
		}
		return f
	})
}

func anyUnsigned() *rapid.Generator[policy.Unsigned] {
	return rapid.SampledFrom([]policy.Unsigned{policy.UnsignedAllow, policy.UnsignedWarn, policy.UnsignedRefuse, ""})
}

// TestWhatIsVerifiedWasSigned: somebody trusted signed these bytes, under this name, who is the one
// that is remembered; and nothing beside the file is broken.
func TestWhatIsVerifiedWasSigned(t *testing.T) {
	verified := 0
	rapid.Check(t, func(r *rapid.T) {
		f := anyFile().Draw(r, "file")
		ru := rules()
		ru.Unsigned = anyUnsigned().Draw(r, "unsigned")
		v := ru.Decide(f)
		switch v.Status {
		case check.Allowed, check.Warned, check.Refused:
			return
		case check.Verified:
			verified++
		default:
			r.Fatalf("it is %q", v.Status)
		}
		if f.State != check.Present || f.Remembered != nil && f.Remembered.Signer != v.Signer {
			r.Fatalf("%+v", v)
		}
		signed := f.Target != nil && f.Target.Status == check.Verified
		for _, b := range f.Own {
			if b.Worth != check.Good && b.Worth != check.Stranger {
				r.Fatalf("a bundle beside it is %q", b.Worth)
			}
			signed = signed || b.Worth == check.Good && b.Signer == v.Signer &&
				(b.Message != nil && *b.Message == f.SHA256 || b.Message == nil && b.Files["CLAUDE.md"] == f.SHA256)
		}
		for _, b := range f.Sets {
			sum, ok := b.Files["CLAUDE.md"]
			if b.Worth == check.Good && len(b.Closed) > 0 && !ok {
				r.Fatal("a closed set does not have it")
			}
			signed = signed || b.Worth == check.Good && b.Signer == v.Signer && sum == f.SHA256
		}
		if !signed {
			r.Fatal("nobody has signed it")
		}
	})
	if verified == 0 {
		t.Error("nothing was verified")
	}
}

// TestAMilderPolicyVerifiesNothing: what is said of the unsigned makes no file a signed one, and
// what was refused for another reason stays so.
func TestAMilderPolicyVerifiesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := anyFile().Draw(r, "file")
		one, other := rules(), rules()
		one.Unsigned, other.Unsigned = anyUnsigned().Draw(r, "one"), anyUnsigned().Draw(r, "other")
		a, b := one.Decide(f), other.Decide(f)
		if (a.Status == check.Verified) != (b.Status == check.Verified) {
			r.Fatalf("%q: %s; %q: %s", one.Unsigned, a.Status, other.Unsigned, b.Status)
		}
		byPolicy := a.Reason == check.Unsigned || a.Reason == check.OfStranger || a.Reason == check.UnfitFile
		if !byPolicy && a.Status != b.Status {
			r.Fatalf("%s: %s and %s", a.Reason, a.Status, b.Status)
		}
	})
}

// TestTakingAwayVerifiesNothing: a remembered file is never let through because something that
// speaks for or against it is not there any more.
func TestTakingAwayVerifiesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := anyFile().Draw(r, "file")
		f.State, f.Link, f.Target = check.Present, "", nil
		f.Remembered = signedBy(ada, "")
		f.Own, f.Sets = nil, nil
		ru := rules()
		ru.Unsigned = anyUnsigned().Draw(r, "unsigned")
		if v := ru.Decide(f); v.Status != check.Refused {
			r.Fatalf("it is %s", v.Status)
		}
	})
}
