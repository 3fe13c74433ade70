package wire_test

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// TestPlacesSurvive takes random views over the wire and back. Their paths are any bytes.
func TestPlacesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := places.View{
			Additive: rapid.Bool().Draw(t, "additive"),
			Places:   rapid.SliceOf(rapid.Custom(place)).Draw(t, "places"),
			Links: rapid.SliceOf(rapid.Custom(func(t *rapid.T) places.Link {
				return places.Link{Path: octets(t), Target: octets(t), Rule: "filesystem.read.0"}
			})).Draw(t, "links"),
			Rules: rapid.SliceOf(rapid.Custom(func(t *rapid.T) places.Rule {
				return places.Rule{
					ID: "filesystem.deny.1", Path: octets(t),
					Is: rapid.SampledFrom([]places.Standing{
						places.Absent, places.Own, places.Kept, places.Shown, places.Overruled, places.Masked,
						places.Stub, places.Unseen, places.ReadOnly, places.Spared, places.Aside, places.Unknown,
					}).Draw(t, "is"),
					Rights: rightsOf(t), Replaceable: rapid.Bool().Draw(t, "replaceable"),
					Opened: octets(t), Unlisted: rapid.Bool().Draw(t, "unlisted"),
				}
			})).Draw(t, "rules"),
		}
		encoded, err := wire.EncodePlaces(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := wire.DecodePlaces(over(t, encoded))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func place(t *rapid.T) places.Place {
	modes := []fs.FileMode{0, 0o700, 0o777 | fs.ModeSticky}
	types := []policy.FileType{policy.Missing, policy.Regular, policy.Directory, policy.Special}
	shows := []places.Shows{places.Host, places.Private, places.Hidden, places.Empty}
	return places.Place{
		Path: octets(t), Shows: rapid.SampledFrom(shows).Draw(t, "shows"), Rule: "filesystem.allow.0",
		Type:   rapid.SampledFrom(types).Draw(t, "type"),
		Device: rapid.Uint64().Draw(t, "device"), Inode: rapid.Uint64().Draw(t, "inode"),
		Names: rapid.Uint64().Draw(t, "names"), Rights: rightsOf(t),
		Devices: rapid.Bool().Draw(t, "devices"), Pin: "filesystem.protect.2",
		Readable: rapid.Bool().Draw(t, "readable"), Report: rapid.Bool().Draw(t, "report"),
		Mode: rapid.SampledFrom(modes).Draw(t, "mode"),
		Copy: rapid.Bool().Draw(t, "copy"), List: rapid.Bool().Draw(t, "list"),
	}
}

func rightsOf(t *rapid.T) places.Rights {
	flag := rapid.Bool()
	return places.Rights{Read: flag.Draw(t, "read"), Write: flag.Draw(t, "write"), Execute: flag.Draw(t, "execute")}
}

func octets(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }

// What no value was given, or one that is not known, is an error in both directions.
func TestPlacesOfUnknownValues(t *testing.T) {
	good := &layerpb.Place{Shows: layerpb.Shows_SHOWS_HOST, Type: layerpb.FileType_FILE_TYPE_REGULAR}
	if _, err := wire.DecodePlaces(&layerpb.Places{Places: []*layerpb.Place{good}}); err != nil {
		t.Fatalf("the control failed: %v", err)
	}
	for name, m := range map[string]*layerpb.Places{
		"no shows":    {Places: []*layerpb.Place{{Type: good.Type}}},
		"no type":     {Places: []*layerpb.Place{{Shows: good.Shows}}},
		"odd shows":   {Places: []*layerpb.Place{{Shows: 99, Type: good.Type}}},
		"odd mode":    {Places: []*layerpb.Place{{Shows: good.Shows, Type: good.Type, Mode: 0o4777}}},
		"no standing": {Rules: []*layerpb.PlaceRule{{}}},
	} {
		if v, err := wire.DecodePlaces(m); err == nil {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for name, v := range map[string]places.View{
		"no shows":    {Places: []places.Place{{Type: policy.Regular}}},
		"no type":     {Places: []places.Place{{Shows: places.Host}}},
		"no standing": {Rules: []places.Rule{{}}},
	} {
		if m, err := wire.EncodePlaces(v); err == nil {
			t.Errorf("%s: %v", name, m)
		}
	}
}
