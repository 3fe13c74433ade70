package sdk

// Session is the layer's end of the stream with core.
type Session struct{}

// Socket is a listener that nono-init opened inside.
type Socket struct{}
