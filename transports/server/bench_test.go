package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"pushpull/transports/store/memory"
)

// BenchmarkPoll measures polls over a connection of this machine: one with no message, one with a short one,
// and one with a long one.
func BenchmarkPoll(b *testing.B) {
	store := new(memory.Store)
	for room, size := range map[string]int{"short": 100, "long": 50_000} {
		store.Append(b.Context(), room, []byte(strings.Repeat("x", size)))
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
