package cli

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf16"

	"github.com/nono-run/nono/sdk/bytejson"
)

// printJSON writes a value for machines to read, so that [bytejson.Unmarshal] gives it back. A
// person's terminal may get it all the same, and what encoding/json leaves as it is, the controls
// above ASCII, the characters that reorder text, and those that stand for bytes, is escaped: in
// JSON such a character can only be part of a string.
func (a *App) printJSON(v any) error {
	text, err := bytejson.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.Stdout.Write(append(visible(text), '\n'))
	return err
}

func visible(text []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < 0x7f || !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		}
	}
	return out.Bytes()
}
