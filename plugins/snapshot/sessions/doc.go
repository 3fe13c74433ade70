// Package sessions knows which snapshots belong to which session, and so which are still wanted.
//
//	DIR/ID/session.json   what was recorded of a session, and when
//	DIR/ID/rollback/N/M   the journals of the N-th time that something was put back, one a directory
//
//	known, err := sessions.Open(dir)
//	err = known.Put(&sessions.Session{ID: id, Roots: roots})
//	list, unread, err := known.List()
//	err = known.Drop(id)
//
// A session is written while the store is held: whoever prunes the store sees a snapshot with the
// session that it belongs to, or neither. One that cannot be read keeps all that the store has, for
// a newer nono may have written it.
package sessions
