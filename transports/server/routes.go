package server

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pushpull/transports"
)

// mostListings is how many requests for metrics, and for stats, are answered at a time.
const mostListings = 64

// maxRoom is the length of the longest room name.
const maxRoom = 128

// handler returns the handler of all routes.
func (sv *service) handler() http.Handler {
	mux := http.NewServeMux()
	// The pattern without a method is less specific: it gets the requests with other methods.
	route := func(method, pattern string, h http.Handler) {
		mux.Handle(method+" "+pattern, h)
		mux.Handle(pattern, wrongMethod(method))
	}
	route("POST", "/rooms/{room}/messages", inRoom(transports.Publisher(sv.log, sv.Limits)))
	names := slices.Sorted(maps.Keys(sv.Transports))
	for _, name := range names {
		h := sv.Transports[name].Handler(sv.log)
		route("GET", "/rooms/{room}/"+name, inRoom(sv.present(name, h)))
	}
	mux.HandleFunc("/rooms/{room}/{transport}", func(w http.ResponseWriter, r *http.Request) {
		transports.Error(w, http.StatusNotFound, "unknown transport %.40q: use %s, or POST to messages",
			r.PathValue("transport"), strings.Join(names, ", "))
	})
	route("GET", "/healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "ok\n")
	}))
	// These answers are built in memory, and pages open files.
	route("GET", "/metrics", few(mostListings, promhttp.HandlerFor(sv.registry(), promhttp.HandlerOpts{})))
	route("GET", "/stats", few(mostListings, http.HandlerFunc(sv.serveStats)))
	if sv.Pages != nil {
		pages := few(sv.shares.pages, sv.Pages)
		for _, pattern := range []string{"/{$}", "/page/", "/results", "/results/"} {
			mux.Handle(pattern, pages)
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		transports.Error(w, http.StatusNotFound,
			"unknown path %.100q: use /rooms/{room}/messages, /rooms/{room}/{transport}, /stats, /metrics or /healthz", r.URL.Path)
	})
	hosts := transports.Hosts{
		Others: slices.Concat(sv.Hosts, sv.Limits.Origins),
		Advice: "allow it with --allow-origin, like https://chat.example, or let the proxy send Host: localhost",
	}
	served := sv.origins.Handler(mux)
	if sv.Token != "" {
		served = newGuard(sv.Token, sv.TLS != nil).Handler(served)
	}
	return sv.watched(hosts.Handler(clean(sv.readable(served))))
}

// readable sets the CORS headers of the Fetch standard, so that pages of the allowed origins can
// read the responses. Browsers hide the responses from pages of other origins.
func (sv *service) readable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" || !slices.Contains(sv.Limits.Origins, origin) {
			h.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", transports.NextCursor+", Retry-After")
		header.Add("Vary", "Origin")
		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", "GET, POST")
			header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// watched counts the running handlers, and bounds the time for a body to arrive.
func (sv *service) watched(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sv.busy.Add(1)
		defer sv.busy.Add(-1)
		if _, exchanged := w.(*response); !exchanged {
			if c, ok := r.Context().Value(connKey{}).(*conn); ok {
				c.spoke.Store(true)
			}
		}
		if r.ContentLength != 0 {
			// http.Server.ReadTimeout would end held polls, too.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(sv.BodyTimeout))
		}
		h.ServeHTTP(w, r)
	})
}

// clean refuses unclean paths. The mux would redirect to the cleaned path, which may name another room.
func clean(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimSuffix(path.Clean(r.URL.Path), "/") != strings.TrimSuffix(r.URL.Path, "/") {
			transports.Error(w, http.StatusBadRequest, "bad path %.100q: no part may be empty, . or .., and %s", r.URL.Path, aRoom)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// present counts the sender of a request as a user of the room: by name if the request gives one,
// else by connection.
func (sv *service) present(transport string, h http.Handler) http.Handler {
	stay := stayBetweenPolls
	if sv.Transports[transport].Way().Every > 0 {
		stay = stayOnTimer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := userIn(r.URL.RawQuery)
		if !ok {
			transports.Error(w, http.StatusBadRequest, "bad user in %.100q: %s", r.URL.RawQuery, aUser)
			return
		}
		at := location{transport, r.PathValue("room")}
		if user != "" {
			p := sv.names.enter(at, user, stay)
			if exchanged, ok := w.(*response); ok {
				exchanged.user = p // it may outlive the handler
			} else {
				defer sv.names.leave(p)
			}
			at = location{}
		}
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.visit(at)
		}
		h.ServeHTTP(w, r)
	})
}

// aRoom is the rule of isRoom, for errors.
var aRoom = fmt.Sprintf("a room has 1 to %d letters, digits, - _ or .", maxRoom)

// inRoom refuses requests with an invalid room name. It wraps every handler of a room.
func inRoom(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if room := r.PathValue("room"); !isRoom(room) {
			transports.Error(w, http.StatusBadRequest, "bad room %.40q: %s", room, aRoom)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isRoom reports whether name is a valid room name.
func isRoom(name string) bool {
	if name == "" || len(name) > maxRoom {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if digit := '0' <= c && c <= '9'; !letter && !digit && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func wrongMethod(right string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", right)
		transports.Error(w, http.StatusMethodNotAllowed, "wrong method %.20q: use %s", r.Method, right)
	})
}
