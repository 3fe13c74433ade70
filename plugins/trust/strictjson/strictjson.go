// Package strictjson reads JSON that was written by nobody we trust, and that only one meaning may
// be found in.
//
// Two readers of one signed text must not see two things in it. So what others read leniently is an
// error here: a key that stands twice, one in other letters (Subject for subject), a field that
// nothing here knows, text that is not UTF-8, half of a surrogate pair, anything after the end. And
// nothing is nested deeper than what is read can be.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nono-run/nono/sdk/policy"
)

// What is wrong with a text. The errors of [Unmarshal] wrap one of them.
var (
	ErrEmpty   = errors.New("it is empty")
	ErrDeep    = errors.New("it is nested too deeply")
	ErrTwice   = errors.New("a key stands in it twice")
	ErrUnknown = errors.New("it has a field that is not known here")
	ErrSyntax  = errors.New("it is not well-formed JSON")
	ErrType    = errors.New("a value in it is of another type than it has to be")
)

// mostPlace is how much of the place of an error is told: a text may have a key of any length.
const mostPlace = 80

// Unmarshal reads a text into what into points to, as encoding/json/v2 does, and refuses what is
// nested more than depth deep.
func Unmarshal(text []byte, depth int, into any) error {
	if len(bytes.TrimLeft(text, " \t\r\n")) == 0 {
		return ErrEmpty
	}
	if err := scan(text, depth); err != nil {
		return err
	}
	return refused(json.Unmarshal(text, into, json.RejectUnknownMembers(true)))
}

// scan looks at all of the text, also at the parts that nobody will look into later.
func scan(text []byte, depth int) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		_, err := decoder.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refused(err)
		}
		if decoder.StackDepth() > depth {
			return fmt.Errorf("%w: more than %d deep", ErrDeep, depth)
		}
	}
}

// refused says in words of ours what the library found, and where.
func refused(err error) error {
	if err == nil {
		return nil
	}
	kind, place := ErrSyntax, jsontext.Pointer("")
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntactic):
		place = syntactic.JSONPointer
		if errors.Is(err, jsontext.ErrDuplicateName) {
			kind = ErrTwice
		}
	case errors.As(err, &semantic):
		kind, place = ErrType, semantic.JSONPointer
		if errors.Is(err, json.ErrUnknownName) {
			kind = ErrUnknown
		}
	}
	if place == "" {
		return kind
	}
	if len(place) > mostPlace {
		place = place[:mostPlace] + "..."
	}
	return fmt.Errorf("%w: %s", kind, policy.Printable(string(place)))
}
