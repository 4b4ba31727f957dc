package web

import (
	"encoding/json"
	"net/http"
	"strings"

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
	return map[string]string{
		result.Timer:  "Both users ask again and again, mostly for nothing.",
		result.Held:   "The server holds each request until there is a message.",
		result.Scan:   "The server holds each request and re-reads the store again and again.",
		result.Duplex: "One connection per user; the server writes messages as they arrive.",
	}[l.Way.Class()]
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

// sizeHead answers with the size of the request's head in bytes, including the headers that the
// browser adds: a script can't see these.
func sizeHead(w http.ResponseWriter, r *http.Request) {
	size := len(r.Method+" "+r.RequestURI+" HTTP/1.1\r\n") + len("Host: "+r.Host+"\r\n") + len("\r\n")
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name + ": " + value + "\r\n")
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]int{"bytes": size}) // the client may be gone
}
