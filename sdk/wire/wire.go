// Package wire is the part of the contract that both ends agree on below package sdk: the constants
// of the handshake, and the conversion of policies and fragments between Go and the messages of
// package layerpb.
//
// Encoding is a plain translation. Decoding what a layer sent is where core stops trusting: an
// enum's zero or a value that nobody knows, a name with a control character, too much of anything,
// and a step that [fragment.Check] refuses are errors that name the field. Package codec, which
// reads the messages themselves, refuses the fields that this version does not know. A step that
// only core may have has no message at all.
//
//	steps, err := wire.DecodeSteps(resp.GetSteps()) // "step 3 (bind): path: \"etc\" is not ..."
//
// # Adding a step
//
// A step needs a case in [EncodeSteps] and one in [DecodeSteps]; the round trip is a property test,
// which fails without both.
package wire

// What core and a layer agree on before they speak. None of it is a secret: who may speak is
// decided by package peer.
const (
	// ProtocolVersion is the version of go-plugin's handshake; the proto package is the contract's.
	ProtocolVersion = 1
	// CookieKey and CookieValue tell a layer that it was started by nono and not by a person.
	CookieKey   = "NONO_LAYER"
	CookieValue = "nono.layer.v1"
	// PluginName is what go-plugin calls the one service of a layer.
	PluginName = "layer"
	// LifelineVariable names the variable that holds the number of the lifeline's descriptor.
	LifelineVariable = "NONO_LIFELINE"
	// LifelineFD is that descriptor.
	LifelineFD = 3
	// CommandVariable names the variable that a layer has which is started as a command: it holds
	// the number of the descriptor that the request is read from.
	CommandVariable = "NONO_COMMAND"
	// CommandFD is that descriptor.
	CommandFD = 3
	// LogVariable names the variable that holds the level below which a layer need not log.
	LogVariable = "NONO_LOG"
	// MaxMessage bounds every message, both ways.
	MaxMessage = 8 << 20
)
