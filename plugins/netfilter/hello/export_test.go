package hello

// Left is how much of the memory that all share nobody has.
func Left() int64 { return shared - taken.Load() }
