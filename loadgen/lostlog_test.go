package loadgen

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// A reborn server can be killed and started again at once, with an empty log.
type reborn struct {
	t      *testing.T
	server *httptest.Server
	life   atomic.Pointer[life]
}

// A life is a server's from one start to the next.
type life struct {
	http.Handler
	store memory.Store
	ctx   context.Context //nolint:containedctx // of its requests
	end   context.CancelFunc
}

func (r *reborn) start() {
	l := &life{}
	l.ctx, l.end = context.WithCancel(r.t.Context())
	log := feed.New(&l.store, 0)
	r.t.Cleanup(log.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	for name, endpoint := range all.Endpoints(transports.Limits{}) {
		mux.Handle("GET /rooms/{room}/"+name, endpoint.Handler(log))
	}
	l.Handler = mux
	r.life.Store(l)
}

func (r *reborn) restart() {
	old := r.life.Load()
	r.start()
	r.server.CloseClientConnections()
	old.end()
}

func newReborn(t *testing.T) *reborn {
	r := &reborn{t: t}
	r.start()
	r.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.life.Load().ServeHTTP(w, req) }))
	r.server.Config.ConnContext = func(context.Context, net.Conn) context.Context { return r.life.Load().ctx }
	r.server.Start()
	t.Cleanup(r.server.Close)
	return r
}

// TestLogLost starts the server again, with an empty log, early in the window: the new log soon grows
// past the users' places. All messages of the new log reach every member, and users who may have missed
// some of the old one get a gap.
func TestLogLost(t *testing.T) {
	for _, transport := range specs("300ms") {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Users, s.Rate, s.Warmup, s.Duration, s.Transports = 8, 30, 0, 1.5, []string{transport}
			s.Drain = 10
			plan := NewPlan(s, 1)
			w, err := aWindow(s, transport, plan)
			if err != nil {
				t.Fatal(err)
			}
			server := newReborn(t)
			base, err := url.Parse(server.server.URL)
			if err != nil {
				t.Fatal(err)
			}
			again := sync.OnceFunc(server.restart)
			stop := watch(w, Progress{}, func(p Progress) {
				if p.Delivered > len(plan.Sends)/20 {
					again()
				}
			})
			out, err := w.measure(t.Context(), []*url.URL{base})
			stop()
			if err != nil {
				t.Fatal(err)
			}
			anew, missing := 0, 0
			for user := range s.Users {
				room := w.users[user].room
				for seq := uint64(0); ; {
					messages, err := server.life.Load().store.After(t.Context(), room, seq, 1000)
					if err != nil {
						t.Fatal(err)
					}
					if len(messages) == 0 {
						break
					}
					for _, m := range messages {
						seq = m.Seq
						stamp, ok := ParseStamp(m.Body)
						if !ok || stamp.User != user {
							continue
						}
						i, _ := plan.Find(stamp.User, stamp.Number)
						anew++
						missing += plan.RoomSize - 1 - int(w.ledger.copies[i].Load())
					}
				}
			}
			row := result.Rows([]result.Window{*out})[0]
			gaps := 0
			for _, e := range out.Errors {
				if strings.Contains(e.Text, "lost with it") && strings.HasPrefix(e.Text, "receiving") {
					gaps += e.Count
				}
			}
			t.Logf("%d of %d delivered; %d of %d messages are in the new log; %d gaps", row.Delivered, row.Expected, anew, len(plan.Sends), gaps)
			if anew < len(plan.Sends)/4 || missing > 0 {
				t.Errorf("%d copies of the %d messages in the new log never came", missing, anew)
			}
			// A user with a place in the old log gets a gap; one that has read nothing has no place.
			if gaps == 0 || gaps > 2*s.Users {
				t.Errorf("%d gaps are reported to %d users", gaps, s.Users)
			}
			if row.Duplicated != 0 || row.Misdelivered != 0 {
				t.Errorf("%+v", countsOf(*out))
			}
		})
	}
}
