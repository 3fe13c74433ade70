//go:build linux

package load

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/nono-run/nono/testllm"
)

// Service is a server that wants a key, over TLS, in the network that [Alone] made: what is asked
// for of a server is served at "/", and streams at "/events".
type Service struct {
	URL, Host, Port string
	Key             string
	Authority       []byte // whom to trust, in PEM
}

const servicePort = "8443"

// keyed is where a service is served. It is opened where the other servers are.
var keyed net.Listener

// ServeService serves one until the process ends.
func ServeService() (*Service, error) {
	authority, err := testllm.NewAuthority()
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Issue(ServerAddress)
	if err != nil {
		return nil, err
	}
	if keyed == nil {
		return nil, errors.New("a service is served in the network that Alone makes")
	}
	s := &Service{
		URL: "https://" + keyed.Addr().String(), Host: ServerAddress, Port: servicePort,
		Key: testllm.NewKeys().OpenAI, Authority: authority.PEM(),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/events", Events)
	mux.HandleFunc("/", Handler)
	server := &http.Server{
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12,
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+s.Key {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			mux.ServeHTTP(w, r)
		}),
	}
	go func() { _ = server.ServeTLS(keyed, "", "") }()
	return s, nil
}

// Policy is that of an agent who is a client of the service. Its key is in LOAD_KEY, and is
// not for whoever reads the policy.
func (s *Service) Policy() string {
	return `filesystem { allow = ["."] }
credential "load" {
  upstream = "` + s.URL + `"
  source   = "env://LOAD_KEY"
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "LOAD_API_KEY", base_url = "LOAD_BASE_URL" }
}
`
}

// Inside is the way of a client inside.
func (s *Service) Inside() Way { return Way{Name: ServiceFromHere + "LOAD"} }

// Straight is the way of a client that has the key.
func (s *Service) Straight() Way {
	return Way{
		Name: s.Host, Requests: s.Port, Token: s.Key, Authority: string(s.Authority),
	}
}
