package egress

import "net/netip"

// outcome gathers what went wrong with a host until it is known that nothing goes right. Of several
// errors the one that is furthest along the way tells most: an address that did not answer before
// one that was refused, and that before a family that was not found.
type outcome struct {
	target  target
	dialled *Error
	refused *Error
	lookup  *Error
}

func (o *outcome) looked(l lookup) {
	if !absent(l.err) {
		o.lookup = o.target.failed(LookupFailed, l.err)
	}
}

func (o *outcome) forbidden(addr netip.Addr, err error) {
	if o.refused == nil {
		o.refused = o.target.failed(Forbidden, err)
		o.refused.Addr = addr
	}
}

func (o *outcome) failed(a attempt) {
	// A host that refuses one family is there, and the other may only lack a way to it.
	reason := refusal(a.err)
	if o.dialled == nil || o.dialled.Reason == Unreachable || reason == Refused {
		o.dialled = o.target.failed(reason, a.err)
		o.dialled.Addr = a.to.Addr()
	}
}

// ended tells of the time that ran out, or of a caller that no longer waits.
func (o *outcome) ended(err error, dialling bool) {
	if dialling {
		o.dialled = o.target.failed(NoAnswer, err)
	} else if o.dialled == nil {
		o.lookup = o.target.failed(LookupFailed, err)
	}
}

func (o *outcome) err() *Error {
	for _, err := range []*Error{o.dialled, o.refused, o.lookup} {
		if err != nil {
			return err
		}
	}
	return o.target.failed(NoSuchName, nil)
}
