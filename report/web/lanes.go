package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A Lane is a transport that the page of the lanes shows.
type Lane struct {
	Name string // as in routes, like "short-poll"
	Way  result.Way
}

// about describes how messages are waited for; "" for a way that the page can't show.
func (l Lane) about() string {
	switch l.Way.Class() {
	case result.Timer:
		return "Mary asks again and again, mostly for nothing. A message waits in the store until she asks."
	case result.Held:
		return "Mary’s request waits at the server until a message comes. Then she asks again."
	case result.Scan:
		return "Mary’s request waits at the server, which looks into the store every " + text.Duration(1e3*l.Way.ScanS, 2) + "."
	case result.Stream:
		return "One answer to Mary never ends. The server writes each message into it as it comes."
	case result.Duplex:
		return "One connection stays open both ways. The server writes each message to it as it comes."
	}
	return ""
}

// A lane is the data of a Lane in the template.
type lane struct{ Name, Title, About, Way string }

func (p *Pages) lanesPage() http.Handler {
	t := page("lanes")
	f := frame{Title: "See the difference", Style: "lanes.css", Script: "lanes.js", At: "/", Links: p.links()}
	var body struct {
		Lanes   []lane
		Missing string // titles of the transports that the page can't show
		Every   int64  // the initial polling interval, in milliseconds
	}
	var missing []string
	for _, l := range p.Lanes {
		if l.about() == "" {
			missing = append(missing, l.Way.Title)
			continue
		}
		body.Lanes = append(body.Lanes, lane{l.Name, text.Upper(l.Way.Title), l.about(), l.Way.Class()})
		body.Every = max(body.Every, int64(1e3*l.Way.EveryS))
	}
	body.Missing = strings.Join(missing, ", ")
	f.Body = body
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, t, f) })
}

// A head is what the server measures of a request for the page: a script sees neither.
type head struct {
	Bytes int     `json:"bytes"` // of the request's head, including the headers that the browser adds
	MS    float64 `json:"ms"`    // from the start of the handler to the answer, in milliseconds
}

func measureHead(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	size := len(r.Method+" "+r.RequestURI+" HTTP/1.1\r\n") + len("Host: "+r.Host+"\r\n") + len("\r\n")
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name + ": " + value + "\r\n")
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(head{size, float64(time.Since(begun).Nanoseconds()) / 1e6}) // the client may be gone
}
