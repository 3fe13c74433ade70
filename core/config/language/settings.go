package language

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Settings are a layer's own attributes, by name, each with the text it stood in. What they may be
// is not known before the layer has described itself; see [Settings.Decode].
type Settings map[string]setting

type setting struct {
	attribute *hclsyntax.Attribute
	text      diag.Text
}

// Merge returns the settings with those of a later source, which win.
func (s Settings) Merge(later Settings) Settings {
	merged := maps.Clone(s)
	if merged == nil {
		merged = Settings{}
	}
	maps.Copy(merged, later)
	return merged
}

// Names are the settings' names, in order.
func (s Settings) Names() []string { return slices.Sorted(maps.Keys(s)) }

// Source is where a setting's value stands; false if there is none of this name.
func (s Settings) Source(name string) (policy.Source, bool) {
	own, ok := s[name]
	if !ok {
		return policy.Source{}, false
	}
	return source(own.text, own.attribute.Expr.Range()), true
}

// Digest is a digest of a setting's value as it was written, in hexadecimal.
func (s Settings) Digest(name string) string {
	own := s[name]
	sum := sha256.Sum256(own.attribute.Expr.Range().SliceBytes(own.text.Content))
	return hex.EncodeToString(sum[:])
}

// Decode holds the settings against what the layer declares and returns them as a JSON object. A
// problem without a line of its own, such as a setting that is missing, has the zero source.
func (s Settings) Decode(declared []sdk.Setting) ([]byte, diag.Problems) {
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	texts := map[string]diag.Text{}
	for name, own := range s {
		body.Attributes[name] = own.attribute
		texts[fileName(own.text)] = own.text
	}
	object, problems := schema.Decode(body, declared,
		func(file string) []byte { return texts[file].Content })
	var found diag.Problems
	for _, p := range problems {
		found = append(found, problem(texts[p.Range.Filename], p))
	}
	return object, found
}
