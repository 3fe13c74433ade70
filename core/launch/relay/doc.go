// Package relay stands between a stream that the user gave and the agent. The agent holds a pipe of
// the session's own, and core moves the bytes.
//
//	inner, r, err := relay.Input(os.Stdin, recipe.PipeStream)
//	// inner becomes the agent's descriptor 0; core closes its copy
//	r.Start()
//	<-r.Done() // the agent is gone, or has closed it, or there is no more
//
// Whoever holds a descriptor may do with it what its kind allows. A socket can be connected to
// another address, and so reaches networks that the agent has not. A pipe can be opened again by
// its name in /proc, in the other direction: what the agent then writes into the user's standard
// input is read by whoever reads there next, and that may be a shell. Through a pipe of its own the
// agent reaches the bytes and nothing else: not the socket's addresses, not the descriptors that
// were sent along, not the flags that all holders of a descriptor share.
//
// # Nothing is taken that was not read
//
// A program often reads a part of its input and leaves the rest to the next one. So an input relay
// looks at what is there without taking it (tee, MSG_PEEK), shows a piece of it to the agent in its
// pipe, waits until that is empty, and only then takes that piece from the user's stream.
//
// # Ends
//
// The end of the user's input is the end of the agent's. An agent that closes its input makes the
// relay let go of the user's, so that whoever writes there is told. In the other direction it is
// the same. A relay never shuts a socket down: that would reach everybody else who holds it.
package relay
