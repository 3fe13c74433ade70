package hello

import "fmt"

// Numbers of RFC 8446, RFC 6066 and RFC 9849.
const (
	recordHandshake = 22
	recordHeader    = 5       // type, version, length
	recordLongest   = 1 << 14 // of what is not encrypted

	messageClientHello = 1
	messageHeader      = 4 // type, length

	extensionServerName = 0
	extensionECH        = 0xfe0d
	extensionESNI       = 0xffce // ECH's forerunner, which hides a name as well

	nameTypeHost = 0
)

// An oddity is why a message is not taken for a ClientHello.
type oddity string

func (o oddity) Error() string { return string(o) }

// clientHello reads records until they hold the whole message, and returns what it says.
func (s *source) clientHello() ([]byte, error) {
	var message []byte
	for at := 0; ; {
		if err := s.fill(at + recordHeader); err != nil {
			return nil, err
		}
		header := s.head[at : at+recordHeader]
		length := int(header[3])<<8 | int(header[4])
		switch {
		case header[0] != recordHandshake:
			return nil, oddity("a ClientHello with another record in it")
		case header[1] != 3: // the minor version means nothing, says RFC 8446
			return nil, oddity("something that looks like TLS and is not")
		case length == 0:
			return nil, oddity("a ClientHello with an empty record in it")
		case length > recordLongest:
			return nil, oddity("a ClientHello in a record that is too long")
		}
		at += recordHeader
		if err := s.fill(at + length); err != nil {
			return nil, err
		}
		message = append(message, s.head[at:at+length]...)
		at += length

		if message[0] != messageClientHello {
			return nil, oddity("a handshake that begins with no ClientHello")
		}
		if len(message) < messageHeader {
			continue
		}
		end := messageHeader + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
		switch {
		case end > Longest:
			return nil, errLong
		case len(message) > end:
			return nil, oddity("a ClientHello with something behind it in its record")
		case len(message) == end:
			return message[messageHeader:], nil
		}
	}
}

// parse reads the ClientHello's content: version, random, session, ciphers, compression, and then
// the extensions.
func parse(content []byte) (TLS, error) {
	c := cursor{rest: content}
	c.take(2 + 32)
	c.vector(1)
	c.vector(2)
	c.vector(1)
	if !c.bad && len(c.rest) == 0 {
		return TLS{}, nil // before TLS 1.2 there may be no extensions at all
	}
	extensions := cursor{rest: c.vector(2)}
	if extensions.bad = c.bad; len(c.rest) > 0 {
		return TLS{}, oddity("a ClientHello with something at its end")
	}
	var hello TLS
	seen := map[int]bool{}
	for !extensions.bad && len(extensions.rest) > 0 {
		kind := extensions.number(2)
		data := extensions.vector(2)
		if extensions.bad {
			break
		}
		if seen[kind] {
			return TLS{}, oddity(fmt.Sprintf("a ClientHello with extension %d twice", kind))
		}
		seen[kind] = true
		switch kind {
		case extensionServerName:
			name, err := serverName(data)
			if err != nil {
				return TLS{}, err
			}
			hello.ServerName = name
		case extensionECH, extensionESNI:
			hello.ECH = true
		}
	}
	if extensions.bad {
		return TLS{}, oddity("a ClientHello that is malformed")
	}
	return hello, nil
}

// serverName reads the extension: a list that may have one name of each type, and there is one
// type.
func serverName(data []byte) (string, error) {
	c := cursor{rest: data}
	list := cursor{rest: c.vector(2)}
	kind, name := list.number(1), list.vector(2)
	switch {
	case c.bad || list.bad || len(c.rest) > 0 || len(name) == 0:
		return "", oddity("a ClientHello whose server name is malformed")
	case kind != nameTypeHost:
		return "", oddity("a ClientHello whose server name is of an unknown type")
	case len(list.rest) > 0:
		return "", oddity("a ClientHello with two server names")
	}
	return string(name), nil
}

// cursor reads a message from its beginning. Once it has found too little, it finds nothing any
// more and is bad.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		c.rest, c.bad = nil, true
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

// number reads one of so many bytes, the highest first.
func (c *cursor) number(size int) (n int) {
	for _, b := range c.take(size) {
		n = n<<8 | int(b)
	}
	return n
}

// vector reads bytes that have their number, of so many bytes, before them.
func (c *cursor) vector(size int) []byte { return c.take(c.number(size)) }
