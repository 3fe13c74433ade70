package roots

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"github.com/nono-run/nono/plugins/trust/bundle"
)

// mostQuestion is what a question can have: base64 makes four bytes of three.
const mostQuestion = (mostRoots*MaxRoot+bundle.MaxSize)*4/3 + 1<<10

// Certify says who signed a bundle, where one root vouches for it.
type Certify func(root, text []byte) (bundle.Certified, error)

// Serve answers one question. Its error is that of a question which was none: what a bundle is
// refused for is an answer.
func Serve(in io.Reader, out io.Writer, certify Certify) error {
	text, err := io.ReadAll(io.LimitReader(in, mostQuestion+1))
	if err != nil {
		return fmt.Errorf("reading the question: %w", err)
	}
	var q question
	if len(text) > mostQuestion {
		return errors.New("the question is too long")
	}
	if err := json.Unmarshal(text, &q, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("reading the question: %w", err)
	}
	if len(q.Roots) == 0 || len(q.Roots) > mostRoots {
		return fmt.Errorf("there are %d roots, not 1 to %d", len(q.Roots), mostRoots)
	}
	return json.MarshalWrite(out, q.answer(certify))
}

// answer is that of the root which vouches for the bundle. Where none does, the reason is told of
// the one that came furthest: one which knows the certificate's authority has more to say.
func (q question) answer(certify Certify) answer {
	var refused error
	for _, root := range q.Roots {
		certified, err := certify(root, q.Bundle)
		if err == nil {
			return answer{
				Name: certified.Identity.Name, Issuer: certified.Identity.Issuer,
				Digest: certified.Digest[:],
			}
		}
		if refused == nil || errors.Is(refused, ErrChain) {
			refused = err
		}
	}
	says := answer{Refused: "refused", Says: refused.Error()}
	for name, kind := range kinds {
		if errors.Is(refused, kind) {
			says.Refused = name
		}
	}
	return says
}
