package language

import (
	"bytes"
	"path"

	"github.com/nono-run/nono/core/diag"
)

// asHCL is what to do about a text in another language.
func asHCL(other string) string {
	const how = `write it as: filesystem { allow = ["."] }`
	if other == "JSON" {
		return "a profile in JSON has a name that ends in .json or .jsonc; " + how
	}
	return how
}

// otherLanguage is what a text that is no HCL was written in, by its name or by how it begins; ""
// if that is not known.
func otherLanguage(text diag.Text) string {
	switch path.Ext(text.File) {
	case ".yaml", ".yml":
		return "YAML"
	case ".toml":
		return "TOML"
	}
	content := bytes.TrimSpace(text.Content)
	switch {
	case bytes.HasPrefix(content, []byte("{")):
		return "JSON"
	case bytes.HasPrefix(content, []byte("---")):
		return "YAML"
	case bytes.HasPrefix(content, []byte("[")):
		return "TOML"
	}
	return ""
}
