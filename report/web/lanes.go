package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"
)

// A Lane is a transport as a browser uses it.
type Lane struct {
	Name  string        // in routes, like "short-poll"
	Way   Way           // in which a user hears of new messages
	Every time.Duration // from one question to the next, on a Timer
}

// A Way is how a user hears of new messages.
type Way string

// The ways that the page knows.
const (
	Timer  Way = "timer"  // it asks now and then
	Held   Way = "held"   // it asks, and the server holds the question
	Socket Way = "socket" // the server writes to a WebSocket
)

// title is what people call the transport.
func (l Lane) title() string {
	return cmp.Or(map[string]string{
		"short-poll":     "Short polling",
		"long-poll":      "Long polling",
		"long-poll-scan": "Long polling with a scan",
		"websocket":      "WebSocket",
	}[l.Name], l.Name)
}

// about says who waits for the next message, and where.
func (l Lane) about() string {
	if l.Name == "long-poll-scan" {
		return "The server holds each question and looks into the store again and again."
	}
	return map[Way]string{
		Timer:  "Each of them asks again and again, mostly for nothing.",
		Held:   "The server holds each question until there is an answer.",
		Socket: "One connection each; the server writes as messages come.",
	}[l.Way]
}

// A lane is a Lane as the page is told of it.
type lane struct {
	Name, Title, About string
	Way                Way
}

func (p *Pages) lanesPage() http.Handler {
	t := page("lanes")
	f := frame{Title: "See the difference", Style: "lanes.css", Script: "lanes.js", At: "/", Links: p.links()}
	var body struct {
		Lanes []lane
		Every int64 // the polling interval at first, in milliseconds
	}
	for _, l := range p.Lanes {
		body.Lanes = append(body.Lanes, lane{l.Name, l.title(), l.about(), l.Way})
		body.Every = max(body.Every, l.Every.Milliseconds())
	}
	f.Body = body
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, t, f) })
}

// sizeHead tells a browser what no script can see: how many bytes the head of its request took, of
// the request's line and the headers that it adds by itself.
func sizeHead(w http.ResponseWriter, r *http.Request) {
	size := len(r.Method+" "+r.RequestURI+" HTTP/1.1\r\n") + len("Host: "+r.Host+"\r\n") + len("\r\n")
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name + ": " + value + "\r\n")
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]int{"bytes": size}) // who asked may have gone
}
