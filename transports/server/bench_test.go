package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// BenchmarkPoll measures polls over a connection of this machine: one with no message, one with a short one,
// and one with a long one.
func BenchmarkPoll(b *testing.B) {
	store := new(memory.Store)
	for room, size := range map[string]int{"short": 100, "long": 50_000} {
		store.Append(b.Context(), room, []byte(strings.Repeat("x", size)), "")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- (&Server{Store: store}).Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	for _, room := range []string{"empty", "short", "long"} {
		b.Run("room="+room, func(b *testing.B) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			in := bufio.NewReader(c)
			ask := fmt.Sprintf("GET /rooms/%s/short-poll HTTP/1.1\r\nHost: %s\r\n\r\n", room, l.Addr())
			b.ReportAllocs()
			for b.Loop() {
				io.WriteString(c, ask)
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
			}
		})
	}
}

// BenchmarkHeldPoll measures held polls over connections of this machine: a message to a room in which so
// many are held, until all are answered and held again. The client's side is part of it.
func BenchmarkHeldPoll(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint("room=", n), func(b *testing.B) {
			store := &memory.Store{First: 1}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			sv := &Server{Store: store}
			go func() { done <- sv.Serve(ctx, l) }()
			defer func() { cancel(); <-done }()
			answered := make(chan uint64, n)
			for range n {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				go func() {
					in, seq := bufio.NewReaderSize(c, 512), uint64(0)
					for {
						fmt.Fprintf(c, "GET /rooms/r/long-poll?hold=1m&after=%d HTTP/1.1\r\nHost: %s\r\n\r\n", seq, l.Addr())
						resp, err := http.ReadResponse(in, nil)
						if err != nil {
							return
						}
						io.Copy(io.Discard, resp.Body)
						if seq, err = strconv.ParseUint(resp.Header.Get(transports.NextCursor), 10, 64); err != nil {
							return
						}
						answered <- seq
					}
				}()
			}
			body := []byte(strings.Repeat("x", 100))
			for b.Loop() {
				seq, err := store.Append(ctx, "r", body, "")
				if err != nil {
					b.Fatal(err)
				}
				for range n {
					if got := <-answered; got != seq {
						b.Fatalf("a poll is answered up to %d, want %d", got, seq)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}

// serveAlone is the variable in the environment that makes the test program a server.
const serveAlone = "PUSHPULL_TEST_SERVE_ALONE"

// alone serves until standard input ends, and prints its address first.
func alone() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	s := &Server{Store: new(memory.Store)}
	if os.Getenv(serveAlone) == overTLS {
		own, err := made()
		if err != nil {
			panic(err)
		}
		s.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS}} //nolint:gosec // the server sets the least version
	}
	s.Serve(ctx, l)
}

// overTLS is the value of serveAlone for a server that speaks TLS.
const overTLS = "tls"

// startAlone starts a server in a process of its own, and returns its address and a function that returns the CPU time that
// it has used, in seconds.
func startAlone(b *testing.B, how string) (address string, used func() float64) {
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), serveAlone+"="+how)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	address = strings.TrimSpace(address)
	scheme := "http://"
	if how == overTLS {
		scheme = "https://"
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
	b.Cleanup(client.CloseIdleConnections)
	return address, func() float64 {
		resp, err := client.Get(scheme + address + "/stats?rooms=0")
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		var stats Stats
		if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
			b.Fatal(err)
		}
		return stats.Process.CPU
	}
}

// BenchmarkConnect measures the CPU that a server in a process of its own takes for a new connection with one request:
// without TLS, with a full handshake, and with a session that is resumed.
func BenchmarkConnect(b *testing.B) {
	for _, bc := range []struct {
		name    string
		version uint16 // of TLS; 0: without
		resumed bool
	}{
		{"plain", 0, false},
		{"TLS=1.3", tls.VersionTLS13, false},
		{"TLS=1.3/resumed", tls.VersionTLS13, true},
		{"TLS=1.2", tls.VersionTLS12, false},
		{"TLS=1.2/resumed", tls.VersionTLS12, true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			how := "plain"
			if bc.version != 0 {
				how = overTLS
			}
			address, used := startAlone(b, how)
			config := trusting.Clone()
			config.MaxVersion, config.ServerName = bc.version, "localhost"
			if bc.resumed {
				config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			}
			connect := func() {
				c, err := net.Dial("tcp", address)
				if err != nil {
					b.Fatal(err)
				}
				if bc.version != 0 {
					c = tls.Client(c, config)
				}
				defer c.Close()
				fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address)
				if answer, err := io.ReadAll(c); err != nil || len(answer) == 0 {
					b.Fatal(err)
				}
			}
			for range 50 {
				connect()
			}
			before := used()
			b.ResetTimer()
			for range b.N {
				connect()
			}
			b.ReportMetric(1e6*(used()-before)/float64(b.N), "server-us/op")
		})
	}
}

// BenchmarkBusyPolls measures the CPU that a server in a process of its own takes for a poll that finds nothing,
// on 64 connections that ask again at once.
func BenchmarkBusyPolls(b *testing.B) {
	address, used := startAlone(b, "plain")
	polled := func(n int) {
		var polling sync.WaitGroup
		var left atomic.Int64
		left.Store(int64(n))
		for i := range 64 {
			polling.Go(func() {
				c, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				defer c.Close()
				ask := fmt.Appendf(nil, "GET /rooms/room%d/short-poll?after=0 HTTP/1.1\r\nHost: %s\r\n\r\n", i, address)
				answer := make([]byte, 1024) // it comes in one piece
				for left.Add(-1) >= 0 {
					if _, err := c.Write(ask); err != nil {
						b.Error(err)
						return
					}
					if _, err := c.Read(answer); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		polling.Wait()
	}
	polled(6400)
	before := used()
	b.ResetTimer()
	polled(b.N)
	b.ReportMetric(1e6*(used()-before)/float64(b.N), "server-us/op")
}
