package egress_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
)

// What a proxy shows of the password is written over, in whatever pieces it comes, but for the first
// letters where the rest comes later; and nothing else is.
func TestMasked(t *testing.T) {
	const encoded, plain = "YWRhOmh1bnRlcjI=", "ada:hunter2"
	via := egress.Via{
		Origin: "http://a.example", Authorization: sdk.NewSecret([]byte("Basic " + encoded)),
	}
	first := strings.Repeat("x", 4095)
	for _, sent := range []string{
		"", "an answer\n", "X: Basic " + encoded + "\r\n", encoded + encoded, "you are " + plain,
		"you are ada:hunter", "YWRhOmh1bnRlcj", "YWRhOmh1" + encoded, first + plain + " and", first + first + encoded,
	} {
		masked := strings.NewReplacer(encoded, "****************", plain, "***********").Replace(sent)
		pieces := strings.NewReplacer(encoded, "YWR*************", plain, "ada********").Replace(sent)
		for how, test := range map[string]struct {
			arriving func(io.Reader) io.Reader
			want     string
		}{
			"whole":           {func(r io.Reader) io.Reader { return r }, masked},
			"byte by byte":    {iotest.OneByteReader, pieces},
			"end with a byte": {iotest.DataErrReader, masked},
		} {
			got, err := io.ReadAll(via.Masked(test.arriving(strings.NewReader(sent))))
			if len(sent) > len(first) && how != "byte by byte" && err == nil {
				// Somewhere in a long one a piece ends.
				if strings.Contains(string(got), encoded[:8]) || strings.Contains(string(got), plain[:8]) || len(got) != len(sent) {
					t.Errorf("%s: the password is in %d bytes", how, len(got))
				}
				continue
			}
			if err != nil || string(got) != test.want {
				t.Errorf("%s: %.40q, %d bytes, %v; want %.40q", how, got, len(got), err, test.want)
			}
		}
	}
	shown, err := io.ReadAll(egress.Via{Origin: "http://a.example"}.Masked(strings.NewReader(encoded)))
	if err != nil || string(shown) != encoded {
		t.Errorf("the control: of a proxy that is given nothing comes %q, %v", shown, err)
	}
}

// What may be read is not held up, as an event that ends with what a word begins with.
func TestMaskedWaitsForNothing(t *testing.T) {
	via := egress.Via{Authorization: sdk.NewSecret([]byte("Basic YWRhOmh1bnRlcjI="))}
	from, to := io.Pipe()
	go func() { _, _ = to.Write([]byte("data: ada")) }()
	got := make([]byte, 100)
	if n, err := via.Masked(from).Read(got); err != nil || string(got[:n]) != "data: ada" {
		t.Errorf("%q, %v", got[:n], err)
	}
}
