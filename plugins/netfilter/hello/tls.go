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
	extensionECHOldest  = 0xff02 // in its drafts up to 07
	extensionECHDraft   = 0xfe08 // in draft 08, and so on
	extensionESNI       = 0xffce // ECH's forerunner, which hides a name as well

	nameTypeHost = 0
)

// An oddity is why a message is not taken for a ClientHello.
type oddity string

func (o oddity) Error() string { return string(o) }

// clientHello reads records until they hold the whole message, and returns what it says.
func (s *source) clientHello() ([]byte, error) {
	var m message
	for at := 0; ; {
		if err := s.fill(at + recordHeader); err != nil {
			return nil, err
		}
		length, err := record([recordHeader]byte(s.head[at:]))
		if err != nil {
			return nil, err
		}
		at += recordHeader
		if err := s.fill(at + length); err != nil {
			return nil, err
		}
		whole, err := m.add(s.head[at : at+length])
		at += length
		switch {
		case err != nil:
			return nil, err
		case whole && at == recordHeader+length: // of one record, as nearly always
			return s.head[recordHeader+messageHeader : at], nil
		case whole:
			return joined(s.head[:at])[messageHeader:], nil
		}
	}
}

// record reads the header of a record that belongs to a ClientHello, and returns its length.
func record(header [recordHeader]byte) (length int, err error) {
	length = int(header[3])<<8 | int(header[4])
	switch {
	case header[0] != recordHandshake:
		return 0, oddity("a ClientHello with another record in it")
	case header[1] != 3: // the minor version means nothing, says RFC 8446
		return 0, oddity("something that looks like TLS and is not")
	case length == 0:
		return 0, oddity("a ClientHello with an empty record in it")
	case length > recordLongest:
		return 0, oddity("a ClientHello in a record that is too long")
	}
	return length, nil
}

// message follows a ClientHello over its records, without keeping it.
type message struct {
	header [messageHeader]byte
	length int // so far
}

// add takes a piece of it, of at least a byte, and reports whether it is whole.
func (m *message) add(piece []byte) (whole bool, err error) {
	if m.length < messageHeader {
		copy(m.header[m.length:], piece)
	}
	m.length += len(piece)
	if m.header[0] != messageClientHello {
		return false, oddity("a handshake that begins with no ClientHello")
	}
	if m.length < messageHeader {
		return false, nil
	}
	end := messageHeader + int(m.header[1])<<16 + int(m.header[2])<<8 + int(m.header[3])
	switch {
	case end > Longest:
		return false, errLong
	case m.length > end:
		return false, oddity("a ClientHello with something behind it in its record")
	}
	return m.length == end, nil
}

// joined is what whole records hold.
func joined(records []byte) []byte {
	all := make([]byte, 0, len(records))
	for len(records) > 0 {
		end := recordHeader + int(records[3])<<8 + int(records[4])
		all = append(all, records[recordHeader:end]...)
		records = records[end:]
	}
	return all
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
		switch {
		case kind == extensionServerName:
			name, err := serverName(data)
			if err != nil {
				return TLS{}, err
			}
			hello.ServerName = name
		case hidesName(kind):
			hello.ECH = true
		}
	}
	if extensions.bad {
		return TLS{}, oddity("a ClientHello that is malformed")
	}
	return hello, nil
}

// hidesName reports whether an extension may hold another name, encrypted: ECH in each form that it
// has had.
func hidesName(extension int) bool {
	return extension >= extensionECHDraft && extension <= extensionECH ||
		extension == extensionECHOldest || extension == extensionESNI
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
