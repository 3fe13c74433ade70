package sockets_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/nono-run/nono/core/sockets"
	"github.com/nono-run/nono/test/held"
)

// BenchmarkConnect is what a connection of TCP costs the agent until it stands, with its end: made by
// itself, and by core.
func BenchmarkConnect(b *testing.B) {
	listen := func(b *testing.B) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		return l
	}
	report := func(b *testing.B, said string) {
		var ns float64
		if _, err := fmt.Sscan(said, &ns); err != nil {
			b.Fatalf("it says %q", said)
		}
		b.ReportMetric(ns, "ns/connect")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("direct", func(b *testing.B) {
		l := listen(b)
		report(b, without(b, "", ":times", l.Addr().String(), fmt.Sprint(b.N)).Line())
	})
	b.Run("by core", func(b *testing.B) {
		s, err := sockets.Open(sockets.Options{Listeners: listeners, Names: "net:dns-tcp"})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		for _, given := range s.Listeners() {
			l, err := net.FileListener(given.File)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
		}
		report(b, held.Start(b, s.Handlers(), "", ":times", proxy, fmt.Sprint(b.N)).Line())
	})
}
