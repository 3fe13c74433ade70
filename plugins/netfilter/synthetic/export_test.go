package synthetic

// Answer is what a message gets back.
func Answer(r *Resolver, message []byte) []byte { return r.answer(message) }
