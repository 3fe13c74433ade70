//go:build linux

// Command agent is what runs inside in tests of the network: a Go client (`agent get URL...`), an
// attacker (`agent try NAME=VALUE...`), and a program that tries everything for a while (`agent
// storm SECONDS ...`). It knows nothing of nono but the variables that any program has.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "agent: say what to do")
		os.Exit(2)
	}
	switch todo, args := os.Args[1], os.Args[2:]; todo {
	case "get":
		for _, url := range args {
			fmt.Println(get(url))
		}
	case "try":
		for _, outcome := range tryAll(args) {
			fmt.Println(outcome)
		}
	case "storm":
		storm(args)
	case "serve":
		serve(args)
	default:
		fmt.Fprintln(os.Stderr, "agent: cannot", todo)
		os.Exit(2)
	}
}

// tryAll makes many tries at a time, since some of them wait for what never comes. The outcomes are
// in their order.
func tryAll(args []string) []string {
	outcomes := make([]string, len(args))
	turns := make(chan struct{}, 48)
	var running sync.WaitGroup
	for i, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		try, ok := tries[name]
		if !ok {
			outcomes[i] = "there is no try called " + name
			continue
		}
		running.Go(func() {
			turns <- struct{}{}
			outcomes[i] = oneLine(try(value))
			<-turns
		})
	}
	running.Wait()
	return outcomes
}

// get fetches as Go programs do.
func get(url string) string {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // each URL is a connection of its own
	client := &http.Client{Timeout: 20 * time.Second, Transport: transport}
	response, err := client.Get(url)
	if err != nil {
		return "no: " + oneLine(err.Error())
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "no: " + oneLine(err.Error())
	}
	if !strings.HasPrefix(string(body), "reached") {
		return "no: " + oneLine(string(body))
	}
	return "ok"
}

// serve answers at ports of the loopback until its input ends.
func serve(ports []string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "from inside\n")
	})
	for _, port := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(l) }()
	}
	fmt.Println("serving")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// oneLine is a text with nothing that would end a line.
func oneLine(text string) string {
	if len(text) > 300 {
		text = text[:300]
	}
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}
