package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// chatty is a small server that isn't pushpull's, with a protocol of its own. Rooms keep all messages.
//
//	POST /say/{room}              a message                200 stored 1
//	GET  /news/{room}?from=1      those after the first    200 {"items":[{"id":2,"text":"hello"}]}
//	GET  /events/{room}?from=1    likewise, as events, with their ids
//	GET  /socket                  a WebSocket: join ROOM, say NUMBER TEXT; joined, ok NUMBER, msg TEXT
//
// Before each path may stand the name of something that is wrong with the server, like /html: see wrongs.
type chatty struct {
	mu    sync.Mutex
	rooms map[string]*chattyRoom
}

type chattyRoom struct {
	messages []string
	grown    chan struct{} // closed with the next message
}

// chattyProgram is chatty as a program of its own: it listens on a free port until it gets SIGTERM.
func chattyProgram() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on http://" + l.Addr().String())
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it must not outlive a test that was killed
		ended <- syscall.SIGTERM
	}()
	go func() { _ = http.Serve(l, &chatty{}) }()
	<-ended
}

// serve-chatty VAR starts the server and sets the variable to its address, and VAR_HOST to its host and port.
func cmdChatty(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "serve-chatty VAR")
	s := httptest.NewServer(&chatty{})
	ts.Defer(func() {
		s.CloseClientConnections()
		s.Close()
	})
	ts.Setenv(args[0], s.URL)
	ts.Setenv(args[0]+"_HOST", strings.TrimPrefix(s.URL, "http://"))
}

// wrongs are what may be wrong with the server, by the beginning of the path.
var wrongs = []string{"html", "redirect", "gzip", "bytes", "garbage", "huge", "hello", "ack", "twice", "other", "mute", "deny", "limit"}

func (c *chatty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	wrong := ""
	for _, name := range wrongs {
		if parts[0] == name {
			wrong, parts = name, parts[1:]
			break
		}
	}
	if len(parts) == 0 || misbehaves(w, wrong) {
		return
	}
	room := parts[len(parts)-1]
	switch parts[0] {
	case "say":
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "stored %d", c.say(room, string(body), wrong))
	case "news":
		c.news(w, r, room, wrong)
	case "events":
		c.events(w, r, room)
	case "socket":
		c.socket(w, r, wrong)
	default:
		http.NotFound(w, r)
	}
}

// misbehaves answers a request wrongly, whatever it asks for, if that is what is wrong.
func misbehaves(w http.ResponseWriter, wrong string) bool {
	switch wrong {
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><title>Sign in</title><form action=/login>")
	case "redirect":
		w.Header().Set("Location", "/login")
		w.WriteHeader(http.StatusFound)
	case "gzip":
		w.Header().Set("Content-Encoding", "gzip")
		fmt.Fprint(w, "\x1f\x8b\x08\x00\x00\x00\x00\x00")
	case "garbage":
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = buffer.WriteString("\x00\x01\x02 what?\r\n\r\n")
			_ = buffer.Flush()
			_ = conn.Close()
		}
	case "deny":
		http.Error(w, "the token has expired", http.StatusUnauthorized)
	case "limit":
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	default:
		return false
	}
	return true
}

func (c *chatty) room(name string) *chattyRoom {
	if c.rooms == nil {
		c.rooms = map[string]*chattyRoom{}
	}
	if c.rooms[name] == nil {
		c.rooms[name] = &chattyRoom{grown: make(chan struct{})}
	}
	return c.rooms[name]
}

func (c *chatty) say(name, message, wrong string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room(name)
	for other, r := range c.rooms {
		if other != name && wrong != "other" {
			continue
		}
		r.messages = append(r.messages, message)
		if wrong == "twice" {
			r.messages = append(r.messages, message)
		}
		close(r.grown)
		r.grown = make(chan struct{})
	}
	return len(c.rooms[name].messages)
}

// after returns the messages of a room after the first ones, and a channel that is closed when there are more.
func (c *chatty) after(name string, from int) ([]string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.room(name)
	return r.messages[min(from, len(r.messages)):], r.grown
}

// from returns how many messages the user of a request has.
func from(r *http.Request) (n int) {
	_, _ = fmt.Sscan(r.URL.Query().Get("from"), &n)
	return n
}

func (c *chatty) news(w http.ResponseWriter, r *http.Request, room, wrong string) {
	type item struct {
		ID   int    `json:"id"`
		Text string `json:"text"`
	}
	items := []item{}
	messages, _ := c.after(room, from(r))
	for i, m := range messages {
		items = append(items, item{from(r) + i + 1, m})
	}
	body, _ := json.Marshal(map[string]any{"items": items})
	if wrong != "bytes" {
		_, _ = w.Write(body)
		return
	}
	for i := range body {
		_, _ = w.Write(body[i : i+1])
		w.(http.Flusher).Flush()
	}
}

func (c *chatty) events(w http.ResponseWriter, r *http.Request, room string) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for n := from(r); ; {
		w.(http.Flusher).Flush()
		messages, grown := c.after(room, n)
		for _, m := range messages {
			n++
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n, m)
		}
		if len(messages) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-r.Context().Done():
			return
		}
	}
}

// socket speaks on a WebSocket.
func (c *chatty) socket(w http.ResponseWriter, r *http.Request, wrong string) {
	conn, buffer, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	var mu sync.Mutex
	send := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(append(frameHead(len(text)), text...))
	}
	left := make(chan struct{})
	defer close(left)
	room := ""
	for {
		text, err := readFrame(buffer.Reader)
		if err != nil {
			return
		}
		word, rest, _ := strings.Cut(text, " ")
		switch word {
		case "join":
			switch wrong {
			case "mute":
				continue
			case "hello":
				_, _ = conn.Write(frameHead(10)[:1])
				return
			case "huge":
				_, _ = conn.Write(frameHead(100 << 20))
				_, _ = io.CopyN(conn, zeros{}, 100<<20)
				return
			case "ack":
				defer send("ok 99")
				send("ok 99")
			}
			room = rest
			send("joined")
			go c.tell(room, send, left)
		case "say":
			number, body, _ := strings.Cut(rest, " ")
			c.say(room, body, wrong)
			send("ok " + number)
		}
	}
}

// tell sends the messages of a room until the user has left.
func (c *chatty) tell(room string, send func(string), left <-chan struct{}) {
	for n := 0; ; {
		messages, grown := c.after(room, n)
		for _, m := range messages {
			n++
			send("msg " + m)
		}
		if len(messages) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-left:
			return
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// frameHead returns the head of a text frame with so many bytes (RFC 6455, section 5.2).
func frameHead(n int) []byte {
	switch {
	case n < 126:
		return []byte{0x81, byte(n)}
	case n < 1<<16:
		return []byte{0x81, 126, byte(n >> 8), byte(n)}
	}
	return []byte{0x81, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// readFrame reads a masked frame of less than 64 KB. One that isn't text ends the connection.
func readFrame(in *bufio.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", err
	}
	n := int(head[1] & 0x7f)
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(in, long[:]); err != nil {
			return "", err
		}
		n = int(long[0])<<8 | int(long[1])
	}
	data := make([]byte, 4+n)
	if _, err := io.ReadFull(in, data); err != nil {
		return "", err
	}
	if head[0] != 0x81 {
		return "", io.EOF
	}
	for i := range data[4:] {
		data[4+i] ^= data[i%4]
	}
	return string(data[4:]), nil
}
