package wire_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/wire"
)

// FuzzSteps: what core takes from a layer it can send back the same; all else is an error and no
// panic.
func FuzzSteps(f *testing.F) {
	for seed := range 20 {
		encoded, err := wire.EncodeSteps(steps().Example(seed))
		if err != nil {
			f.Fatal(err)
		}
		data, err := codec.Core.Encode(&layerpb.PlanResponse{Steps: encoded})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m layerpb.PlanResponse
		if codec.Core.Decode(data, &m) != nil {
			return
		}
		steps, err := wire.DecodeSteps(m.GetSteps())
		if err != nil {
			return
		}
		again, err := wire.EncodeSteps(steps)
		if err != nil {
			t.Fatal(err)
		}
		got, want := &layerpb.PlanResponse{Steps: again}, &layerpb.PlanResponse{Steps: m.GetSteps()}
		if !proto.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}
