//go:build timed

package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
)

// What honest users and the server's memory may suffer under an attack. The attackers share the processors with the
// server and its users, so they are no faster than that leaves time for these.
const (
	attackedTimes  = 2                     // the p99 of honest users may grow to so many times that without an attack,
	attackedAtMost = 25 * time.Millisecond // or to this, if that is more
	attackedBytes  = 64 << 20              // by so many may the memory in use grow, of attackers and server
	attackedTries  = 3                     // in one of so many tries, as others may use the machine
)

// An attack is what one hostile client does on a connection until ctx ends or the server cuts it off. It is then
// begun again, after a pause of a millisecond.
type attack struct {
	clients int
	run     func(ctx context.Context, c net.Conn)
}

// tell writes text, and reports whether the server still takes it.
func tell(c net.Conn, text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

func attacks() map[string]attack {
	until := func(ctx context.Context, every time.Duration, do func() bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for do() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
	answered := func(c net.Conn) { _, _ = c.Read(make([]byte, 4<<10)) }
	const post = "POST /rooms/%s/messages HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
	var rooms atomic.Int64
	var bomb bytes.Buffer
	packed := gzip.NewWriter(&bomb)
	_, _ = packed.Write(make([]byte, 32<<20))
	_ = packed.Close()
	return map[string]attack{
		"connections that say nothing": {500, func(_ context.Context, c net.Conn) { answered(c) }},
		"headers without end": {20, func(ctx context.Context, c net.Conn) {
			tell(c, "GET /stats HTTP/1.1\r\nHost: localhost\r\n")
			until(ctx, 5*time.Millisecond, func() bool { return tell(c, strings.Repeat("X-A: b\r\n", 100)) })
		}},
		"a head of one byte a second": {500, func(ctx context.Context, c net.Conn) {
			until(ctx, time.Second, func() bool { return tell(c, "G") })
		}},
		"a body of one byte a second": {500, func(ctx context.Context, c net.Conn) {
			tell(c, fmt.Sprintf(post, "r", "Content-Length: 60000\r\n"))
			until(ctx, time.Second, func() bool { return tell(c, "x") })
		}},
		"a body without end": {10, func(ctx context.Context, c net.Conn) {
			tell(c, fmt.Sprintf(post, "r", "Transfer-Encoding: chunked\r\n"))
			until(ctx, 10*time.Millisecond, func() bool { return tell(c, "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n") })
		}},
		"100,000 rooms": {4, func(ctx context.Context, c net.Conn) {
			until(ctx, time.Millisecond, func() bool {
				ok := tell(c, fmt.Sprintf(post, fmt.Sprint("room", rooms.Add(1)), "Content-Length: 1\r\n")+"x")
				answered(c)
				return ok
			})
		}},
		"messages with keys": {4, func(ctx context.Context, c net.Conn) {
			until(ctx, time.Millisecond, func() bool {
				ok := tell(c, fmt.Sprintf(post, "keys", fmt.Sprintf("Idempotency-Key: %060d\r\nContent-Length: 1\r\n", rooms.Add(1)))+"x")
				answered(c)
				return ok
			})
		}},
		"pings in a flood": {20, func(ctx context.Context, c net.Conn) {
			tell(c, "GET /rooms/r/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			answered(c)
			ping := binary.BigEndian.AppendUint32([]byte{0x89, 0x80}, 0)
			until(ctx, 50*time.Millisecond, func() bool { return tell(c, strings.Repeat(string(ping), 1000)) })
		}},
		"a compressed bomb": {10, func(ctx context.Context, c net.Conn) {
			until(ctx, 50*time.Millisecond, func() bool {
				ok := tell(c, fmt.Sprintf(post, "r", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n", bomb.Len()))) && tell(c, bomb.String())
				answered(c)
				return ok
			})
		}},
	}
}

// TestTimedAttacks measures what honest users suffer while hostile ones attack their server.
func TestTimedAttacks(t *testing.T) {
	client, err := all.Client("websocket")
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range attacks() {
		t.Run(name, func(t *testing.T) {
			for range attackedTries {
				calm, attacked := p99(t, client, nil), p99(t, client, &a)
				t.Logf("%-30s p99 %v, without an attack %v", name, attacked, calm)
				if attacked <= max(attackedTimes*calm, attackedAtMost) {
					return
				}
			}
			t.Errorf("the p99 of honest users grows to more than %d times, and more than %v, in each of %d tries", attackedTimes, attackedAtMost, attackedTries)
		})
	}
}

// p99 returns the latency of messages between honest users on a server that is attacked.
func p99(t *testing.T, client transports.Client, a *attack) time.Duration {
	const (
		users = 20
		every = 25 * time.Millisecond
		calm  = 300 * time.Millisecond // to get going
		lasts = 3 * time.Second
	)
	sd := onLoopback(t, &Server{Store: &memory.Store{}})
	defer sd.stop()
	base, err := url.Parse(sd.base)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	before := inUse()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range clientsOf(a) {
		running.Go(func() {
			for ctx.Err() == nil {
				if c, err := sd.dial(); err == nil {
					end := context.AfterFunc(ctx, func() { c.Close() })
					a.run(ctx, c)
					end()
					c.Close()
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(calm)
	var sent atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	for i := range users {
		wire := &http.Transport{}
		session, err := client.Join(ctx, transports.Target{Base: base, HTTP: wire}, fmt.Sprint("honest", i), "")
		if err != nil {
			t.Fatalf("an honest user can't join: %v", err)
		}
		defer session.Close()
		running.Go(func() {
			for m, err := range session.Messages(ctx) {
				var at int64
				if _, scan := fmt.Sscan(string(m.Body), &at); err != nil || scan != nil {
					t.Errorf("an honest user got %q, %v, %v", m.Body, err, scan)
					return
				}
				mu.Lock()
				all = append(all, time.Duration(time.Now().UnixNano()-at))
				mu.Unlock()
			}
		})
		running.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for end := time.Now().Add(lasts); time.Now().Before(end); <-tick.C {
				sent.Add(1)
				session.Send(ctx, fmt.Append(nil, time.Now().UnixNano()), func(err error) {
					if err != nil && ctx.Err() == nil {
						t.Errorf("an honest user can't send: %v", err)
					}
				})
			}
		})
	}
	time.Sleep(lasts + calm)
	runtime.GC()
	if grown := int64(inUse()) - int64(before); grown > attackedBytes {
		t.Errorf("the memory in use has grown by %d MB, want at most %d", grown>>20, attackedBytes>>20)
	}
	stop()
	running.Wait()
	if int64(len(all)) != sent.Load() {
		t.Errorf("%d messages came of %d", len(all), sent.Load())
	}
	slices.Sort(all)
	return all[len(all)*99/100].Round(10 * time.Microsecond)
}

func clientsOf(a *attack) int {
	if a == nil {
		return 0
	}
	return a.clients
}
