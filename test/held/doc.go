// Package held is for tests of what answers system calls in the place of others: it starts
// processes whose calls wait until the test has answered them.
//
//	func TestMain(m *testing.M) { os.Exit(held.Main(m, acts)) }
//
//	child := held.Start(t, handlers, dir, ":act", "argument")
//	child.Wants("what the act says")
//	child.Ends()
//
// The process is the test's own program, which begins again without capabilities, puts the filter
// on itself, hands its listener to the test and waits until somebody serves it, as an agent of
// nono's does. Then it is an act of the test's, or another program.
package held
