package loadgen

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// bunching is the main function of a proxy before the server whose address is the last argument. What the server sends
// waits in a buffer, which is emptied every 300 ms.
func bunching() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	go func() {
		for {
			user, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", os.Args[len(os.Args)-1])
			if err != nil {
				user.Close()
				continue
			}
			go func() {
				io.Copy(server, user)
				server.Close()
			}()
			go func() {
				defer user.Close()
				buffer := make([]byte, 64<<10)
				for {
					n, err := server.Read(buffer)
					if err != nil {
						return
					}
					if !strings.HasPrefix(string(buffer[:n]), "HTTP/1.1 ") {
						time.Sleep(300 * time.Millisecond)
						server.SetReadDeadline(time.Now().Add(time.Millisecond))
						more, _ := server.Read(buffer[n:])
						server.SetReadDeadline(time.Time{})
						n += more
					}
					user.Write(buffer[:n])
				}
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// TestVia measures a stream through a proxy that buffers it, directly and behind a relay: nothing is lost, and a doubt names the
// buffer, which there is none of without the proxy.
func TestVia(t *testing.T) {
	s := Scenario{
		Name: "via", Users: 2, RoomSize: 2, Rate: 20, Size: 64, Warmup: .2, Duration: 2, Drain: 5, Rounds: 1, Seed: 1,
		Transports: []string{"sse"},
	}
	serve, via := []string{os.Args[0], "serve"}, []string{os.Args[0], "bunching"}
	sides := []Side{{Command: serve}, {Command: serve, Via: via}, {Command: serve, Via: via, Relay: []string{os.Args[0], "relay"}}}
	err := Run(t.Context(), Options{Scenario: s, Sides: sides}, func(side int, w *result.Window) error {
		if w.Failed != "" || w.Lost > 0 || w.Duplicated > 0 || w.FailedRequests > 0 || w.Rejoins > 0 {
			t.Errorf("%d: %+v", side, w)
		}
		rows := (&result.Result{Windows: []result.Window{*w}}).Rows()
		named := slices.ContainsFunc(rows[0].Doubts, func(d result.Doubt) bool { return d.Code == "bunched" })
		if named != (side > 0) {
			t.Errorf("side %d: %d of %d deliveries came in bunches, and the doubts are %+v", side, w.Bunched, w.Delivered, rows[0].Doubts)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoProxy measures a window whose proxy doesn't start.
func TestNoProxy(t *testing.T) {
	s := Scenario{Name: "x", Users: 2, RoomSize: 2, Rate: 1, Size: 64, Duration: .1, Rounds: 1, Seed: 1, Transports: []string{"websocket"}}
	side := Side{Command: []string{os.Args[0], "serve"}, Via: []string{os.Args[0], "-test.run=^$"}}
	if err := Run(t.Context(), Options{Scenario: s, Sides: []Side{side}}, nil); err == nil || !strings.Contains(err.Error(), "the proxy: ") {
		t.Errorf("%v, want that the proxy does not start", err)
	}
}
