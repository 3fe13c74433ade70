package session

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

// names answers every question for a name that the command asks where no layer does, with "there is
// no such name", and remembers the first ones. They are what a command that failed may have failed
// for.
type names struct {
	socket net.PacketConn
	// tell is told each name.
	tell func(event string, fields map[string]string)

	mu    sync.Mutex
	asked []string
	more  bool
}

// mostNames is how many names are told.
const mostNames = 3

// answerNames begins to answer at a socket that nono-init opened inside. It takes the file over.
func answerNames(f *os.File, tell func(string, map[string]string)) (*names, error) {
	if f == nil {
		return nil, errors.New("answering for names: nono-init opened no socket for it")
	}
	defer func() { _ = f.Close() }()
	socket, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("answering for names: %w", err)
	}
	n := &names{socket: socket, tell: tell}
	go n.serve()
	return n, nil
}

// serve answers until the socket is closed. What comes in is the agent's: it is answered as it is,
// and read only for the hint.
func (n *names) serve() {
	message := make([]byte, 4096)
	for {
		size, from, err := n.socket.ReadFrom(message)
		if err != nil {
			return
		}
		if question := message[:size]; refuseName(question) {
			if name := nameIn(question); name != "" {
				n.tell(eventName, map[string]string{"name": name})
				n.remember(name)
			}
			_, _ = n.socket.WriteTo(question, from) // who asks again is answered again
		}
	}
}

// A message of the domain name system begins with a header of 12 bytes, of which the third and the
// fourth hold flags and the code of the answer. The first question comes right after it.
const (
	dnsHeader    = 12
	dnsFlags     = 2
	dnsCode      = 3
	dnsIsAnswer  = 0x80 // in the flags: an answer, not a question
	dnsRecursion = 0x80 // in the code's byte: whoever answers asks others for you
	dnsNoName    = 3    // NXDOMAIN
	longestLabel = 63
	longestName  = 253
)

// refuseName makes a question its own answer. It is false for what is no question.
func refuseName(message []byte) bool {
	if len(message) < dnsHeader || message[dnsFlags]&dnsIsAnswer != 0 {
		return false
	}
	message[dnsFlags] |= dnsIsAnswer
	message[dnsCode] = dnsRecursion | dnsNoName
	return true
}

// nameIn is the name that a message is about, or "" where it has none that can be told.
func nameIn(message []byte) string {
	var labels []string
	for rest := message[dnsHeader:]; len(rest) > 0; {
		size := int(rest[0])
		if size == 0 {
			break
		}
		if size > longestLabel || size >= len(rest) {
			return ""
		}
		labels = append(labels, string(rest[1:1+size]))
		rest = rest[1+size:]
	}
	name := strings.Join(labels, ".")
	if len(name) > longestName {
		return ""
	}
	return strings.ToLower(name)
}

func (n *names) remember(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, known := range n.asked {
		if known == name {
			return
		}
	}
	if len(n.asked) == mostNames {
		n.more = true
		return
	}
	n.asked = append(n.asked, name)
}

// hint says what was asked for in vain, and what would let it through. Where layers carry traffic,
// they have a proxy perhaps.
func (n *names) hint(through []string) string {
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.asked) == 0 {
		return ""
	}
	list := strings.Join(n.asked, ", ")
	if n.more {
		list += " and others"
	}
	if len(through) > 0 {
		return fmt.Sprintf("it asked for %s: layer %s does not answer for names, "+
			"and serves only programs that know its proxy", list, strings.Join(through, " or "))
	}
	return fmt.Sprintf("it asked for %s: the network is closed; "+
		"`--allow-host NAME` would allow a host, and `--allow-net` all of them", list)
}

func (n *names) close() {
	if n != nil {
		_ = n.socket.Close()
	}
}
