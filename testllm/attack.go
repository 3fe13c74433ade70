package testllm

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Paths at which the stand-in does what a provider would not. They need the key, as everything else
// does.
const (
	// reflectPath repeats the request: its headers in headers of the answer, and all of it in the
	// body, which comes split into pieces of as many bytes as "split" says. "status" is its status.
	reflectPath = "/v1/stand-in/reflect"
	// redirectPath leads to the URL "to", with the status "status".
	redirectPath = "/v1/stand-in/redirect"
	// eventsPath sends "n" events, one after each "every". Each has the time at which it was sent, in
	// nanoseconds.
	eventsPath = "/v1/stand-in/events"
	// uploadPath tells how many bytes came, and the SHA-256 of them.
	uploadPath = "/v1/stand-in/upload"
)

// attack serves those paths, and reports whether it is one of them.
func (s *Server) attack(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case reflectPath:
		reflects(w, r)
	case redirectPath:
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(number(r, "status", http.StatusTemporaryRedirect))
	case eventsPath:
		events(w, r)
	case uploadPath:
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			return true // the client is gone
		}
		reply(w, http.StatusOK, map[string]any{"bytes": n, "sha256": hex.EncodeToString(sum.Sum(nil))})
	default:
		return false
	}
	return true
}

// number is a parameter of the request.
func number(r *http.Request, name string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return otherwise
}

func reflects(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestRequest))
	if err != nil {
		return // the client is gone, or sends too much
	}
	var text strings.Builder
	text.WriteString(r.Method + " " + r.RequestURI + "\n")
	for name, values := range r.Header {
		for _, v := range values {
			w.Header().Add("X-Reflected-"+name, v)
			text.WriteString(name + ": " + v + "\n")
		}
	}
	text.WriteString("\n" + string(body))
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(number(r, "status", http.StatusOK))
	all := text.String()
	for size := max(1, number(r, "split", len(all))); all != ""; {
		n := min(size, len(all))
		_, _ = io.WriteString(w, all[:n])
		_ = http.NewResponseController(w).Flush()
		all = all[n:]
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	every, _ := time.ParseDuration(r.URL.Query().Get("every"))
	a := &answer{w: w, ctx: r.Context(), pace: every}
	for range number(r, "n", 1) {
		if r.Context().Err() != nil {
			return
		}
		a.event("", strconv.FormatInt(time.Now().UnixNano(), 10))
	}
}
