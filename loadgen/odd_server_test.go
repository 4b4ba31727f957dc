package loadgen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A stranger is a foreign server: it keeps no log, has no /healthz and no /stats, is polled by POST in conversations
// that a POST begins, forgets a conversation after some polls, and streams events to users that it knows by name.
type stranger struct {
	forgets int // polls after which a conversation is forgotten; 0: it never is

	mu     sync.Mutex
	last   int
	queues map[string]*queue // by conversation
	paths  map[string]int    // how often each was asked for
}

// A queue holds the messages that a member of a room has not read.
type queue struct {
	room  string
	lines chan string
	polls int
}

func (s *stranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.paths == nil {
		s.queues, s.paths = map[string]*queue{}, map[string]int{}
	}
	s.paths[r.URL.Path]++
	s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /join":
		id, _ := s.enter(r.FormValue("room"))
		io.WriteString(w, id)
	case "POST /say":
		text, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		for _, q := range s.queues {
			if q.room == r.URL.Query().Get("room") {
				select {
				case q.lines <- string(text):
				default: // it is gone
				}
			}
		}
		s.mu.Unlock()
	case "POST /poll":
		s.poll(w, r)
	case "GET /events":
		_, q := s.enter(r.FormValue("room"))
		w.Header().Set("Content-Type", "text/event-stream")
		http.NewResponseController(w).Flush()
		for {
			select {
			case line := <-q.lines:
				fmt.Fprintf(w, "data: %s\n\n", line)
				http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	default:
		http.NotFound(w, r)
	}
}

func (s *stranger) enter(room string) (id string, q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	id, q = fmt.Sprint(s.last), &queue{room: room, lines: make(chan string, 1000)}
	s.queues[id] = q
	return id, q
}

func (s *stranger) poll(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	q := s.queues[r.FormValue("id")]
	if q != nil {
		if q.polls++; q.polls == s.forgets {
			delete(s.queues, r.FormValue("id"))
			q = nil
		}
	}
	s.mu.Unlock()
	if q == nil {
		http.Error(w, "no such conversation", http.StatusBadRequest)
		return
	}
	hold, _ := time.ParseDuration(r.FormValue("hold"))
	limit := time.NewTimer(hold)
	defer limit.Stop()
	select {
	case line := <-q.lines:
		io.WriteString(w, line)
		for more := true; more; {
			select {
			case line = <-q.lines:
				io.WriteString(w, "\n"+line)
			default:
				more = false
			}
		}
	case <-limit.C: // 200 without a message
	case <-r.Context().Done():
	}
}

// strange is the dialect of a stranger.
type strange struct{}

var _ dialect.Dialect = strange{}

func (strange) About() dialect.About {
	return dialect.About{Name: "strange", Title: "Stranger", Text: "A server of a test.", Untried: "it is one of a test"}
}

func (strange) Ways() []dialect.Way {
	lacks := transports.Lacks{Replay: true, Resume: true, Gaps: true}
	return []dialect.Way{
		{Transport: "short-poll", Greets: true, Once: true, Way: transports.Way{Title: "short polling", Every: time.Second, Lacks: lacks}},
		{Transport: "long-poll", Greets: true, Once: true, Way: transports.Way{Title: "long polling", Hold: 2 * time.Second, Lacks: lacks}},
		{Transport: "sse", Way: transports.Way{Title: "server-sent events", Stream: true, Lacks: lacks}},
	}
}

func (strange) Speak(way dialect.Way, room string, _ transports.Cursor) (dialect.Speech, error) {
	return &strangeSpeech{way: way, room: room}, nil
}

type strangeSpeech struct {
	way      dialect.Way
	room, id string
}

func (s *strangeSpeech) Ask() dialect.Request {
	switch {
	case s.way.Way.Stream:
		return dialect.Request{Method: "GET", Path: "/events?room=" + s.room}
	case s.id == "":
		return dialect.Request{Method: "POST", Path: "/join?room=" + s.room}
	}
	return dialect.Request{Method: "POST", Path: fmt.Sprintf("/poll?id=%s&hold=%v", s.id, s.way.Way.Hold/2)}
}

func (s *strangeSpeech) Say(_ uint64, body []byte) dialect.Request {
	return dialect.Request{Method: "POST", Path: "/say?room=" + s.room, Body: body}
}

func (s *strangeSpeech) Cursor() transports.Cursor { return "" }

func (s *strangeSpeech) Hear(u dialect.Unit, h *dialect.Heard) error {
	switch {
	case u.Kind == dialect.Begun:
	case u.Status != 200 && u.Kind != dialect.Event:
		return &transports.StatusError{Code: u.Status, Status: fmt.Sprint(u.Status), Text: strings.TrimSpace(string(u.Body))}
	case u.Kind == dialect.Answered && s.id == "":
		s.id, h.Ready = string(u.Body), true
	case u.Kind == dialect.Answered && len(u.Body) > 0:
		h.Messages = append(h.Messages, bytes.Split(u.Body, []byte("\n"))...)
	case u.Kind == dialect.Event:
		h.Messages = append(h.Messages, u.Body)
	case u.Kind == dialect.Taken:
		h.Stored = append(h.Stored, u.Number)
	}
	return nil
}

// serveStrange is a process that serves a stranger, and writes more to its output than a pipe holds.
func serveStrange() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	fmt.Println(strings.Repeat("x", 1<<20))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go http.Serve(listener, &stranger{})
	<-stop
	return 0
}

// startOrphan starts a foreign server, notes its number, and waits to be killed.
func startOrphan(note string) int {
	program, err := OpenProgram("")
	if err != nil {
		return 1
	}
	server, err := startServer(context.Background(), program, nil, []string{os.Args[0], "strange"}, nil, true)
	if err != nil {
		return 1
	}
	if os.WriteFile(note, []byte(strconv.Itoa(server.PID)), 0o600) != nil {
		return 1
	}
	fmt.Println("listening on http://127.0.0.1:1")
	time.Sleep(time.Minute)
	return 0
}
