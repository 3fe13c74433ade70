package synthetic

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nono-run/nono/sdk/hostname"
)

const (
	// ttl is for how many seconds a program may remember an address. It stands for its name during the
	// whole session, and for another one in the next.
	ttl = 10
	// payload is the size of packet that we say we take (EDNS). No answer comes near it.
	payload = 1232
	// badVersion is the code for a version of EDNS that does not exist yet.
	badVersion dnsmessage.RCode = 16
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// answer is what a question gets back, or nil where the message is none that is answered.
//
// What the agent sent is parsed once, by the library, and the answer is put together anew: only the
// number and the question, its letters as they were, are in both.
func (r *Resolver) answer(message []byte) []byte {
	var parser dnsmessage.Parser
	asked, err := parser.Start(message)
	if err != nil || asked.Response {
		return nil // an answer to an answer would be answered again
	}
	reply := reply{header: dnsmessage.Header{
		ID: asked.ID, Response: true, OpCode: asked.OpCode,
		RecursionDesired: asked.RecursionDesired, CheckingDisabled: asked.CheckingDisabled,
		// We ask nobody, but programs go on to the next server when they are told so.
		RecursionAvailable: true,
	}}
	if asked.OpCode != 0 {
		return reply.pack(dnsmessage.RCodeNotImplemented)
	}
	question, err := onlyQuestion(&parser)
	if err != nil {
		return reply.pack(dnsmessage.RCodeFormatError)
	}
	reply.question = &question
	version, err := reply.extensions(&parser)
	switch {
	case err != nil:
		return reply.pack(dnsmessage.RCodeFormatError)
	case version != 0:
		return reply.pack(badVersion)
	case question.Class != dnsmessage.ClassINET:
		return reply.pack(dnsmessage.RCodeRefused)
	}
	return reply.pack(r.resolve(question, &reply))
}

// onlyQuestion reads the one question that a message has, and skips to what comes with it.
func onlyQuestion(parser *dnsmessage.Parser) (dnsmessage.Question, error) {
	question, err := parser.Question()
	if err != nil {
		return dnsmessage.Question{}, err
	}
	if _, err := parser.Question(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return dnsmessage.Question{}, fmt.Errorf("more than one question: %w", err)
	}
	if _, err := parser.AnswerHeader(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return dnsmessage.Question{}, fmt.Errorf("an answer in a question: %w", err)
	}
	if _, err := parser.AuthorityHeader(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return dnsmessage.Question{}, fmt.Errorf("an authority in a question: %w", err)
	}
	return question, nil
}

// resolve answers a question for a name.
func (r *Resolver) resolve(question dnsmessage.Question, reply *reply) dnsmessage.RCode {
	text := question.Name.String()
	name, err := hostname.Parse(text)
	if err != nil || !ascii(text) { // names in other scripts are put into ASCII before they are sent
		// It is told as a denial like others, in a form in which every byte can be seen.
		r.Allowed(printable(text))
		return dnsmessage.RCodeNameError
	}
	if addr, ok := reversed(name); ok {
		if stands, ok := r.Names.Name(addr); ok {
			if question.Type == dnsmessage.TypePTR {
				reply.name = stands
			}
			return dnsmessage.RCodeSuccess
		}
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		if question.Type == dnsmessage.TypeA {
			reply.addr = loopback // of the session, whatever the policy says (RFC 6761)
		}
		return dnsmessage.RCodeSuccess
	}
	if !r.Allowed(name) {
		return dnsmessage.RCodeNameError
	}
	if question.Type != dnsmessage.TypeA {
		return dnsmessage.RCodeSuccess // it exists, and has nothing of this type
	}
	reply.addr, err = r.Names.Address(name)
	if err != nil {
		if r.Full != nil {
			r.Full(name)
		}
		// Anything else is "try again" to a program, and it would, for seconds.
		return dnsmessage.RCodeNameError
	}
	return dnsmessage.RCodeSuccess
}

// reversed is the address that a name asks for the name of: "1.0.18.198.in-addr.arpa".
func reversed(name string) (netip.Addr, bool) {
	digits, ok := strings.CutSuffix(name, ".in-addr.arpa")
	labels := strings.Split(digits, ".")
	if !ok || len(labels) != 4 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
	return addr, err == nil
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// printable writes a name that is none as name servers do: what cannot be printed by its number.
func printable(text string) string {
	if text != "." {
		text = strings.TrimSuffix(text, ".")
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03s`, strconv.Itoa(int(c)))
		}
	}
	return b.String()
}

// reply gathers what an answer is made of.
type reply struct {
	header   dnsmessage.Header
	question *dnsmessage.Question
	extended bool       // the question had extensions (EDNS), so the answer has
	addr     netip.Addr // what the name's address is, if it is told
	name     string     // what the address's name is, if it is told
}

// extensions looks at what comes with a question, and says which version of EDNS it is in.
func (r *reply) extensions(parser *dnsmessage.Parser) (version uint8, err error) {
	for {
		h, err := parser.AdditionalHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return version, nil
		}
		if err != nil {
			return 0, err
		}
		if h.Type == dnsmessage.TypeOPT {
			if r.extended || h.Name.String() != "." {
				return 0, errors.New("extensions twice, or of a name")
			}
			r.extended, version = true, uint8(h.TTL>>16)
		}
		if err := parser.SkipAdditional(); err != nil {
			return 0, err
		}
	}
}

// pack writes the answer down. It never is longer than a packet may be that knows no extensions.
func (r *reply) pack(code dnsmessage.RCode) []byte {
	r.header.RCode = code & 0xf
	message := dnsmessage.Message{Header: r.header}
	if r.question != nil {
		message.Questions = []dnsmessage.Question{*r.question}
		h := dnsmessage.ResourceHeader{Name: r.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
		switch {
		case r.addr.Is4():
			message.Answers = []dnsmessage.Resource{{
				Header: h, Body: &dnsmessage.AResource{A: r.addr.As4()},
			}}
		case r.name != "":
			message.Answers = []dnsmessage.Resource{{
				Header: h, Body: &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(r.name + ".")},
			}}
		}
	}
	if r.extended {
		h := dnsmessage.ResourceHeader{}
		if err := h.SetEDNS0(payload, code, false); err != nil {
			return nil
		}
		message.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	packed, err := message.Pack()
	if err != nil {
		return nil
	}
	return packed
}
