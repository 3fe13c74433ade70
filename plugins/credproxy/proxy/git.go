package proxy

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// What git asks a host for by HTTP: what there is, and then to be sent or to have taken a pack.
const (
	gitRefs  = "/info/refs"
	gitFetch = "/git-upload-pack"
	gitPush  = "/git-receive-pack"
)

// gits holds a request against what git asks for, and its repository against the policy. A host of
// repositories serves more by the same key, and all of that stays out of reach: its pages, its
// interface, the large files that LFS keeps beside a repository.
func (p *Proxy) gits(pass *passage, r *http.Request) *refusal {
	repository, ok := "", false
	switch r.Method {
	case http.MethodGet:
		service, asks := strings.CutPrefix(r.URL.RawQuery, "service=")
		if asks && ("/"+service == gitFetch || "/"+service == gitPush) {
			repository, ok = strings.CutSuffix(pass.Path, gitRefs)
		}
	case http.MethodPost:
		if repository, ok = strings.CutSuffix(pass.Path, gitFetch); !ok {
			repository, ok = strings.CutSuffix(pass.Path, gitPush)
		}
	}
	if !ok || repository == "" {
		return &refusal{http.StatusForbidden, "here git clones, fetches and pushes, and nothing else " +
			"is done with the key of " + p.service.Name + " (no LFS either)"}
	}
	if allowed := p.service.Methods; len(allowed) > 0 &&
		!(slices.Contains(allowed, http.MethodGet) && slices.Contains(allowed, http.MethodPost)) {
		return &refusal{http.StatusForbidden, "the policy allows " + p.service.Name + " the methods " +
			strings.Join(allowed, ", ") + " only, and git needs GET and POST"}
	}
	// A rule is about the repository, or about single requests of git's to it.
	plain := strings.TrimSuffix(repository, ".git")
	return p.onPaths(plain, plain+strings.TrimPrefix(pass.Path, repository), pass.Path)
}

// keyRefused makes of a host's "who are you" an answer that git shows. It would ask the user for a
// name and a password otherwise, which would go no further than to us.
func (p *Proxy) keyRefused(res *http.Response) {
	_ = res.Body.Close()
	kind, body := p.words(p.upstream.Host + " does not take the key of " + p.service.Name +
		", or does not let it do this")
	res.StatusCode, res.Status = http.StatusForbidden, ""
	res.Header = http.Header{
		"Content-Type": {kind}, "Content-Length": {strconv.Itoa(len(body))},
	}
	res.ContentLength, res.TransferEncoding, res.Trailer = int64(len(body)), nil, nil
	res.Body = io.NopCloser(bytes.NewReader(body))
}
