//go:build linux

package keyring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// The names of the Secret Service.
const (
	busName    = "org.freedesktop.secrets"
	rootPath   = dbus.ObjectPath("/org/freedesktop/secrets")
	service    = "org.freedesktop.Secret.Service"
	collection = "org.freedesktop.Secret.Collection"
	item       = "org.freedesktop.Secret.Item"
	prompting  = "org.freedesktop.Secret.Prompt"
	// nowhere is the path that stands for no object.
	nowhere = dbus.ObjectPath("/")
)

// secret is a value on its way over the bus.
type secret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// Get reads a key.
func (r Ring) Get(ctx context.Context, name string) ([]byte, error) {
	c, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	unlocked, locked, err := c.search(map[string]string{"service": r.attribute(), "username": name})
	switch {
	case err != nil:
		return nil, err
	case len(unlocked) == 0 && len(locked) > 0:
		return nil, &Unavailable{"it is there, and the keyring is locked"}
	case len(unlocked) == 0:
		return nil, ErrNotFound
	}
	session, err := c.session()
	if err != nil {
		return nil, err
	}
	var s secret
	if err := c.store(c.call(unlocked[0], item+".GetSecret", session), &s); err != nil {
		return nil, err
	}
	return s.Value, nil
}

// List are the names of all keys, also of those that are locked.
func (r Ring) List(ctx context.Context) ([]string, error) {
	c, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	unlocked, locked, err := c.search(map[string]string{"service": r.attribute()})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, at := range slices.Concat(unlocked, locked) {
		var v dbus.Variant
		call := c.call(at, "org.freedesktop.DBus.Properties.Get", item, "Attributes")
		if err := c.store(call, &v); err != nil {
			return nil, err
		}
		attributes, _ := v.Value().(map[string]string)
		names = append(names, attributes["username"])
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Set stores a key, in the place of one of this name. The keyring may ask the user to unlock it.
func (r Ring) Set(ctx context.Context, name string, key []byte) error {
	c, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	in, err := c.lasting()
	if err != nil {
		return err
	}
	session, err := c.session()
	if err != nil {
		return err
	}
	properties := map[string]dbus.Variant{
		item + ".Label": dbus.MakeVariant("nono: the key of " + name),
		item + ".Attributes": dbus.MakeVariant(map[string]string{
			"service": r.attribute(), "username": name,
		}),
	}
	value := secret{Session: session, Value: key, ContentType: "text/plain; charset=utf8"}
	var made, prompt dbus.ObjectPath
	call := c.call(in, collection+".CreateItem", properties, value, true)
	if err := c.store(call, &made, &prompt); err != nil {
		return err
	}
	return c.prompt(prompt)
}

// Remove removes a key.
func (r Ring) Remove(ctx context.Context, name string) error {
	c, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	unlocked, locked, err := c.search(map[string]string{"service": r.attribute(), "username": name})
	if err != nil {
		return err
	}
	all := slices.Concat(unlocked, locked)
	if len(all) == 0 {
		return ErrNotFound
	}
	if err := c.unlock(locked); err != nil {
		return err
	}
	for _, at := range all {
		var prompt dbus.ObjectPath
		if err := c.store(c.call(at, item+".Delete"), &prompt); err != nil {
			return err
		}
		if err := c.prompt(prompt); err != nil {
			return err
		}
	}
	return nil
}

// client is a connection to the bus, of one that knows the service to be there.
type client struct {
	ctx  context.Context
	conn *dbus.Conn
}

func (r Ring) open(ctx context.Context) (*client, error) {
	address, err := r.address()
	if err != nil {
		return nil, err
	}
	stream, err := (&net.Dialer{}).DialContext(ctx, "unix", address)
	if err != nil {
		return nil, &Unavailable{fmt.Sprintf("no session bus answers: %v", reason(ctx, err))}
	}
	// What follows reads until the other end says something.
	context.AfterFunc(ctx, func() { _ = stream.Close() })
	conn, err := dbus.NewConn(stream, dbus.WithContext(ctx))
	if err != nil {
		_ = stream.Close()
		return nil, err
	}
	c := &client{ctx, conn}
	if err := c.begin(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// begin logs in, and sees whether somebody serves secrets. The bus would start somebody if he were
// simply called.
func (c *client) begin() error {
	if err := c.conn.Auth(nil); err != nil {
		return &Unavailable{fmt.Sprintf("the session bus lets us not in: %v", reason(c.ctx, err))}
	}
	if err := c.conn.Hello(); err != nil {
		return &Unavailable{fmt.Sprintf("the session bus does not answer: %v", reason(c.ctx, err))}
	}
	var there bool
	call := c.conn.BusObject().CallWithContext(c.ctx, "org.freedesktop.DBus.NameHasOwner", 0, busName)
	if err := call.Store(&there); err != nil {
		return &Unavailable{fmt.Sprintf("the session bus does not answer: %v", reason(c.ctx, err))}
	}
	if !there {
		return &Unavailable{"no keyring runs on the session bus"}
	}
	return nil
}

func (c *client) close() { _ = c.conn.Close() }

// address is the name of the bus's socket. Of the forms that an address may have only sockets are
// taken: another one would have a program started.
func (r Ring) address() (string, error) {
	for _, one := range strings.Split(r.Address, ";") {
		options, ok := strings.CutPrefix(one, "unix:")
		if !ok {
			continue
		}
		for _, o := range strings.Split(options, ",") {
			key, value, _ := strings.Cut(o, "=")
			value, err := url.PathUnescape(value)
			switch {
			case err != nil:
			case key == "path":
				return value, nil
			case key == "abstract":
				return "@" + value, nil
			}
		}
	}
	if r.RuntimeDir != "" && r.Address == "" {
		at := filepath.Join(r.RuntimeDir, "bus")
		if info, err := os.Stat(at); err == nil && info.Mode().Type() == os.ModeSocket {
			return at, nil
		}
	}
	return "", &Unavailable{"there is no session bus"}
}

// unknownMethod is the name of an error.
const unknownMethod = "org.freedesktop.DBus.Error.UnknownMethod"

// call calls a method, and nobody is started for it. gnome-keyring now and then says that there is
// no such method to a caller of whom it has not taken note yet, and does it when asked again.
func (c *client) call(at dbus.ObjectPath, method string, args ...any) *dbus.Call {
	object := c.conn.Object(busName, at)
	call := object.CallWithContext(c.ctx, method, dbus.FlagNoAutoStart, args...)
	var refused dbus.Error
	if errors.As(call.Err, &refused) && refused.Name == unknownMethod {
		call = object.CallWithContext(c.ctx, method, dbus.FlagNoAutoStart, args...)
	}
	return call
}

// store takes the answer to a call.
func (c *client) store(call *dbus.Call, into ...any) error {
	if err := call.Store(into...); err != nil {
		return &Unavailable{fmt.Sprintf("the keyring does not answer: %v", reason(c.ctx, err))}
	}
	return nil
}

// reason is why something failed; that the time was over comes first.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("it took too long")
	}
	return err
}

func (c *client) search(
	attributes map[string]string,
) (unlocked, locked []dbus.ObjectPath, err error) {
	err = c.store(c.call(rootPath, service+".SearchItems", attributes), &unlocked, &locked)
	return unlocked, locked, err
}

// session is what secrets are handed over in. They are not encrypted on their way: the bus is a
// socket of the user's own.
func (c *client) session() (dbus.ObjectPath, error) {
	var none dbus.Variant
	var path dbus.ObjectPath
	call := c.call(rootPath, service+".OpenSession", "plain", dbus.MakeVariant(""))
	return path, c.store(call, &none, &path)
}

// lasting is the collection that new keys are put into, unlocked. One that is only in memory is
// none: the key would be gone with the user's session.
func (c *client) lasting() (dbus.ObjectPath, error) {
	var at dbus.ObjectPath
	if err := c.store(c.call(rootPath, service+".ReadAlias", "default"), &at); err != nil {
		return "", err
	}
	if at == nowhere || strings.HasSuffix(string(at), "/session") {
		return "", &Unavailable{
			"the keyring keeps nothing beyond this session: it has no default collection",
		}
	}
	return at, c.unlock([]dbus.ObjectPath{at})
}

// unlock unlocks, which the user may be asked about.
func (c *client) unlock(locked []dbus.ObjectPath) error {
	if len(locked) == 0 {
		return nil
	}
	var done []dbus.ObjectPath
	var prompt dbus.ObjectPath
	if err := c.store(c.call(rootPath, service+".Unlock", locked), &done, &prompt); err != nil {
		return err
	}
	return c.prompt(prompt)
}

// prompt lets the keyring ask the user, if it has to.
func (c *client) prompt(at dbus.ObjectPath) error {
	if at == nowhere {
		return nil
	}
	completed := make(chan *dbus.Signal, 1)
	c.conn.Signal(completed)
	err := c.conn.AddMatchSignalContext(c.ctx, dbus.WithMatchObjectPath(at),
		dbus.WithMatchInterface(prompting))
	if err != nil {
		return err
	}
	if err := c.call(at, prompting+".Prompt", "").Err; err != nil {
		return &Unavailable{fmt.Sprintf("the keyring cannot ask: %v", reason(c.ctx, err))}
	}
	select {
	case s := <-completed:
		if s == nil || len(s.Body) == 0 || s.Body[0] != false {
			return &Unavailable{"the keyring stays locked: what it asked was not answered"}
		}
		return nil
	case <-c.ctx.Done():
		return &Unavailable{"the keyring is locked, and what it asks was not answered"}
	}
}
