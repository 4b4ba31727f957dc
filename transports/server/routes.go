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

// maxRoom is the length of the longest name of a room.
const maxRoom = 128

// handler serves every route.
func (sv *service) handler() http.Handler {
	mux := http.NewServeMux()
	// The pattern without a method is less specific: it gets what no other method's pattern takes.
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
		io.WriteString(w, "ok\n")
	}))
	route("GET", "/metrics", promhttp.HandlerFor(sv.registry(), promhttp.HandlerOpts{}))
	route("GET", "/stats", http.HandlerFunc(sv.serveStats))
	if sv.Pages != nil {
		for _, pattern := range []string{"/{$}", "/page/", "/results", "/results/"} {
			mux.Handle(pattern, sv.Pages)
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		transports.Error(w, http.StatusNotFound,
			"unknown path %.100q: use /rooms/{room}/messages, /rooms/{room}/{transport}, /stats, /metrics or /healthz", r.URL.Path)
	})
	return sv.watched(sv.readable(sv.origins.Handler(mux)))
}

// readable lets pages of the allowed origins read the answers, as the CORS protocol of the Fetch
// standard wants it said. Others may ask, but their browsers don't show them what is answered.
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
			header.Set("Access-Control-Allow-Headers", "Content-Type")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// watched counts the handlers at work and bounds the time in which a body arrives.
func (sv *service) watched(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sv.busy.Add(1)
		defer sv.busy.Add(-1)
		if r.ContentLength != 0 {
			// http.Server.ReadTimeout would end held polls too.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(sv.BodyTimeout))
		}
		if strings.TrimSuffix(path.Clean(r.URL.Path), "/") != strings.TrimSuffix(r.URL.Path, "/") {
			// The mux would redirect, to a room that nobody meant. It lets a slash at the end be.
			transports.Error(w, http.StatusBadRequest, "bad path %.100q: no part may be empty, . or .., and %s", r.URL.Path, aRoom)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// present counts who asks as a user of the room: by the name that they give, else by the connection.
func (sv *service) present(transport string, h http.Handler) http.Handler {
	stay := linger
	if _, ok := sv.Transports[transport].(transports.Periodic); ok {
		stay = lingerPolling
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := userIn(r.URL.RawQuery)
		if !ok {
			transports.Error(w, http.StatusBadRequest, "bad user in %.100q: %s", r.URL.RawQuery, aUser)
			return
		}
		at := place{transport, r.PathValue("room")}
		if user != "" {
			defer sv.names.leave(sv.names.enter(at, user, stay))
			at = place{}
		}
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.visit(at)
		}
		h.ServeHTTP(w, r)
	})
}

// aRoom says what checkRoom checks.
var aRoom = fmt.Sprintf("a room has 1 to %d letters, digits, - _ or .", maxRoom)

// inRoom refuses names that are not those of a room. It stands before every handler that takes one.
func inRoom(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if room := r.PathValue("room"); !isRoom(room) {
			transports.Error(w, http.StatusBadRequest, "bad room %.40q: %s", room, aRoom)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isRoom says whether name can be the name of a room.
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
