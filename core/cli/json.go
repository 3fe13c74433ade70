package cli

import "github.com/nono-run/nono/sdk/bytejson"

// printJSON writes a value for machines to read, so that [bytejson.Unmarshal] gives it back. A
// person's terminal may get it all the same, and finds nothing in it to act on.
func (a *App) printJSON(v any) error {
	text, err := bytejson.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.Stdout.Write(append(bytejson.Visible(text), '\n'))
	return err
}
