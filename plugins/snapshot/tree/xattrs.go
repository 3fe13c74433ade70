package tree

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
)

// EncodeXattrs is a file's attributes as the store has them. They are sorted by name, so that the
// same ones have the same digest.
func EncodeXattrs(all []beneath.Xattr) []byte {
	var b []byte
	for _, x := range all {
		b = appendText(b, x.Name)
		b = appendText(b, string(x.Value))
	}
	return b
}

// DecodeXattrs takes what EncodeXattrs made.
func DecodeXattrs(b []byte) ([]beneath.Xattr, error) {
	var all []beneath.Xattr
	text := func() (string, error) {
		n, size := binary.Uvarint(b)
		switch {
		case size <= 0 || n > uint64(len(b)-size):
			return "", errors.New("extended attributes that are cut off")
		case size > 1 && b[size-1] == 0:
			return "", errors.New("extended attributes with a length that is not as it is written")
		}
		text := string(b[size : size+int(n)])
		b = b[size+int(n):]
		return text, nil
	}
	for len(b) > 0 {
		name, err := text()
		if err != nil {
			return nil, err
		}
		value, err := text()
		if err != nil {
			return nil, err
		}
		if name == "" || len(all) > 0 && name <= all[len(all)-1].Name {
			return nil, fmt.Errorf("the extended attribute %q is out of order", name)
		}
		all = append(all, beneath.Xattr{Name: name, Value: []byte(value)})
	}
	return all, nil
}
