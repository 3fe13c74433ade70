package base

import (
	"maps"
	"net"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is what programs that use the network are told, whatever layer carries their traffic:
// where the proxy is, how often to try again, which certificates the host trusts. No program reads
// all of these variables, and each that is here some widely used one needs: that was tried.

// Doors are where programs inside find what layers serve for them.
type Doors struct {
	// Proxy is ADDRESS:PORT of a proxy for HTTP and for tunnels; "" where there is none.
	Proxy string
	// Resolver is the address at which a layer answers for names, at port 53; "" where none does.
	Resolver string
	// Git are hosts whose repositories git reaches at a listener of a layer's.
	Git []GitHost
}

// direct is what programs reach without the proxy: what the agent itself serves inside.
const direct = "localhost,127.0.0.1,::1,.localhost"

// directJava is the same as Java writes it.
const directJava = "localhost|127.*|[::1]|*.localhost"

// noRetries are the variables by which programs that fetch things are told how often to try again.
// Where the network is closed, npm would do so for a minute and pip for eight seconds.
var noRetries = map[string]string{
	"npm_config_fetch_retries": "0",
	"PIP_RETRIES":              "0",
	"CARGO_NET_RETRY":          "0",
}

// proxied are the variables of a session with a proxy.
func (d Doors) proxied() map[string]string {
	url := "http://" + d.Proxy
	vars := map[string]string{
		// curl and wget read the first two in lower case alone, and others in upper case.
		"http_proxy": url, "https_proxy": url, "HTTP_PROXY": url, "HTTPS_PROXY": url,
		// For other protocols than HTTP. Not socks5: Python's httpx, which reads it for all of them,
		// needs a module for that which few have.
		"all_proxy": url, "ALL_PROXY": url,
		"no_proxy": direct, "NO_PROXY": direct,
		// Settings in files outrank the variables above for npm, and for git (see [Doors.settings]): a
		// repository's or the host's own, with a proxy that cannot be reached from here.
		"npm_config_proxy": url, "npm_config_https_proxy": url, "npm_config_noproxy": direct,
		// These take a proxy's refusal for a fault that may pass, and try for ten seconds.
		"PIP_RETRIES": "1", "CARGO_NET_RETRY": "1",
	}
	if d.Resolver == "" {
		// With a resolver these two get along without a proxy, and better: Java says on its standard
		// error that it was given options, and node's word for a refusal is "cancelled".
		vars["NODE_USE_ENV_PROXY"] = "1"
		vars["JAVA_TOOL_OPTIONS"] = javaProxy(d.Proxy)
	}
	return vars
}

// javaProxy names a proxy in Java's own words: it reads no variable but this one.
func javaProxy(at string) string {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return ""
	}
	return strings.Join([]string{
		"-Dhttp.proxyHost=" + host, "-Dhttp.proxyPort=" + port,
		"-Dhttps.proxyHost=" + host, "-Dhttps.proxyPort=" + port,
		"-Dhttp.nonProxyHosts=" + directJava,
	}, " ")
}

// ofProxies are the variables that say where a proxy is. The user's own never pass where core
// composes them: they lead to a proxy that cannot be reached from inside, with a password in them
// perhaps.
func ofProxies(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "all_proxy", "no_proxy",
		"npm_config_proxy", "npm_config_https_proxy", "npm_config_noproxy":
		return true
	}
	return false
}

// bundled are the variables by which programs that bring certificates of their own are told of the
// host's. What uses the host's OpenSSL, as curl and git do, finds them by itself, and so do Go's
// programs and Java as distributions package it.
var bundled = []string{
	"SSL_CERT_FILE",       // OpenSSL of another maker (conda, uv's Python), httpx, uv
	"NODE_EXTRA_CA_CERTS", // node
	"REQUESTS_CA_BUNDLE",  // Python's requests, pip, boto3
	"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
}

// ofCertificates are the variables by which users say which certificates to trust: each is the name
// of a file, or, of the last one, of directories.
var ofCertificates = append([]string{
	"CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE",
	"NIX_SSL_CERT_FILE", "DENO_CERT", "HTTPLIB2_CA_CERTS", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
	certificateDirs,
}, bundled...)

const certificateDirs = "SSL_CERT_DIR"

// composed are the variables that core would set.
func (e Environment) composed(host map[string]string) map[string]Variable {
	texts := map[string]string{}
	switch {
	case e.Closed:
		texts = maps.Clone(noRetries)
	default:
		if e.Doors.Proxy != "" {
			texts = e.Doors.proxied()
		}
		if e.Bundle != "" && e.Visible(e.Bundle) {
			for _, name := range bundled {
				texts[name] = e.Bundle
			}
		}
	}
	maps.Copy(texts, e.walled(host))
	vars := map[string]Variable{}
	for name, text := range texts {
		vars[name] = ours(name, fragment.Text(text))
	}
	for _, v := range e.gitSettings(host) {
		vars[v.Name] = v
	}
	return vars
}

// certificates adds the user's own variables about certificates, which are good for something
// inside only where what they name is there too. What is not is told.
func (e Environment) certificates(
	host map[string]string,
) (vars []fragment.Env, told diag.Problems) {
	if e.Closed {
		return nil, nil
	}
	for _, name := range ofCertificates {
		value, ok := host[name]
		if d := e.Decide.Variable(name); !ok || value == "" || d.Rule != nil {
			continue // who wrote a rule about it knows what is to be
		}
		files := []string{value}
		if name == certificateDirs {
			files = strings.Split(value, ":")
		}
		if !all(files, e.Visible) {
			told = append(told, diag.Warningf(
				"%s is not passed on: what it names cannot be read inside", name).
				Try("if the agent is to trust these certificates, grant them: --read \"$%s\"", name))
			continue
		}
		vars = append(vars, fragment.Env{
			For: RuleEnvironment, Name: name, Value: fragment.Value{fragment.HostVariable(name)},
		})
	}
	return vars, told
}

func all(paths []string, ok func(string) bool) bool {
	for _, p := range paths {
		if !ok(p) {
			return false
		}
	}
	return true
}

// unheeded tells of a variable that the user passes by its name, and that core has another value
// for.
func unheeded(name string, d policy.VariableDecision) diag.Problem {
	return diag.Warningf("your own %s is not passed on: it names a proxy that cannot be reached "+
		"inside, and nono's network layer has one there", name).
		Try("to go out through a proxy of yours: --upstream-proxy system").At(d.Rule.Source)
}
