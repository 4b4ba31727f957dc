package selftest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"pushpull/loadgen"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// A subject is a server of known behaviour.
type subject struct {
	store   transports.Store
	spoiled func() int                                    // how often it was wrong so far; nil: it is never wrong
	work    func(context.Context)                         // runs while it serves; may be nil
	wrap    func(transports.Endpoint) transports.Endpoint // changes its answers to requests to receive; nil: they are correct
}

// serve serves s on loopback until stop is called.
func (s subject) serve(ctx context.Context) (base *url.URL, stop func() error, err error) {
	served := &server.Server{Store: s.store}
	if s.wrap != nil {
		served.Transports = all.Endpoints(transports.Limits{})
		for name, endpoint := range served.Transports {
			served.Transports[name] = s.wrap(endpoint)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("starting a server: %w", err)
	}
	// The server runs on when ctx ends, so that the generator can leave first.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	var failed error
	all.Go(func() { failed = served.Serve(serving, l) })
	if s.work != nil {
		all.Go(func() { s.work(serving) })
	}
	stop = func() error {
		cancel()
		all.Wait()
		if failed != nil {
			return fmt.Errorf("stopping a server: %w", failed)
		}
		return nil
	}
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, stop, nil
}

// honest makes a server that behaves correctly.
func honest(*loadgen.Plan) subject { return subject{store: &memory.Store{}} }

// until waits until at. It returns false if ctx ends first.
func until(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A delayed store stores each message a constant time after it came. It acknowledges messages at once:
// if senders had to wait, one message would delay the next, and the delay would not be constant.
type delayed struct {
	memory.Store
	by   time.Duration
	came chan arrival
}

type arrival struct {
	room string
	body []byte
	at   time.Time
}

func newDelayed(plan *loadgen.Plan) subject {
	d := &delayed{by: delay, came: make(chan arrival, len(plan.Sends))}
	return subject{store: d, work: d.show}
}

func (d *delayed) Append(_ context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	d.came <- arrival{room, slices.Clone(body), time.Now()}
	return noPlace(), nil
}

// show stores each message when its delay has passed.
func (d *delayed) show(ctx context.Context) {
	for {
		select {
		case a := <-d.came:
			// A timer of an idle process is up to a millisecond late, which would add to every
			// latency. So the last millisecond is waited for without sleeping.
			shown := a.at.Add(d.by)
			if !until(ctx, shown.Add(-time.Millisecond)) {
				return
			}
			for time.Now().Before(shown) {
				runtime.Gosched()
			}
			_, _ = d.Store.Append(ctx, a.room, a.body, "") // memory.Store never fails
		case <-ctx.Done():
			return
		}
	}
}

// A stalling store stops now and then, like a server that collects garbage, and answers no calls until
// it continues. It stalls by the plan's clock, whose start it estimates from the stamps of the messages:
// the message that was under way for the shortest time has the best estimate.
type stalling struct {
	memory.Store

	mu    sync.Mutex
	start time.Time // estimated start of the window; zero: no message has come
}

func newStalling(*loadgen.Plan) subject { return subject{store: &stalling{}} }

// Append stores a message at once, even in a stall, but returns after the stall. As reads wait, too, the
// message is not delivered before.
func (s *stalling) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	if stamp, ok := loadgen.ParseStamp(body); ok {
		start := time.Now().Add(-stamp.Actual)
		s.mu.Lock()
		if s.start.IsZero() || start.Before(s.start) {
			s.start = start
		}
		s.mu.Unlock()
	}
	seq, err := s.Store.Append(ctx, room, body, key)
	s.pass(ctx)
	return seq, err
}

func (s *stalling) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.pass(ctx)
	return s.Store.After(ctx, room, seq, limit)
}

// pass waits for the end of a stall.
func (s *stalling) pass(ctx context.Context) {
	s.mu.Lock()
	start := s.start
	s.mu.Unlock()
	if start.IsZero() {
		return
	}
	if end, stalled := stallEnd(time.Since(start)); stalled {
		until(ctx, start.Add(end))
	}
}

// A spoiler is a store that mishandles every nth message and counts them.
type spoiler struct {
	memory.Store

	plan  *loadgen.Plan
	spoil func(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error)

	mu      sync.Mutex
	came    int            // messages so far
	spoiled int            // mishandled ones
	rooms   []string       // rooms with messages
	held    map[int][]byte // by user, the message that the user's next one is to overtake
}

// nth is the period in which a message is mishandled.
const nth = 100

// spoils returns a function that makes a server whose store mishandles messages with spoil.
func spoils(spoil func(*spoiler, context.Context, string, []byte) (uint64, error)) func(*loadgen.Plan) subject {
	return func(plan *loadgen.Plan) subject {
		s := &spoiler{plan: plan, spoil: spoil, held: map[int][]byte{}}
		return subject{store: s, spoiled: func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.spoiled
		}}
	}
}

func (s *spoiler) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	if _, ok := loadgen.ParseStamp(body); !ok {
		return s.Store.Append(ctx, room, body, key) // not a message of the plan
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came++
	if !slices.Contains(s.rooms, room) {
		s.rooms = append(s.rooms, room)
	}
	return s.spoil(s, ctx, room, body)
}

// due reports whether the current message must be mishandled, and counts it.
func (s *spoiler) due() bool {
	if (s.came+nth/2)/nth == s.spoiled {
		return false
	}
	s.spoiled++
	return true
}

// noPlace returns the place of a message that isn't stored, another one each time: users take an answer with the place of
// the one before for the same answer once more.
func noPlace() uint64 { return uint64(time.Now().UnixNano()) }

// lose acknowledges a message without storing it.
func lose(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if s.due() {
		return noPlace(), nil
	}
	return s.Store.Append(ctx, room, body, "")
}

// double stores a message twice.
func double(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if s.due() {
		_, _ = s.Store.Append(ctx, room, body, "") // memory.Store never fails
	}
	return s.Store.Append(ctx, room, body, "")
}

// swap holds a message back until the same user's next one is stored.
func swap(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	stamp, _ := loadgen.ParseStamp(body)
	held, overtakes := s.held[stamp.User]
	if _, more := s.plan.Find(stamp.User, stamp.Number+1); more && !overtakes && s.due() {
		s.held[stamp.User] = slices.Clone(body)
		return noPlace(), nil
	}
	seq, err := s.Store.Append(ctx, room, body, "")
	if overtakes {
		delete(s.held, stamp.User)
		return s.Store.Append(ctx, room, held, "")
	}
	return seq, err
}

// misplace stores a message in another room.
func misplace(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if other := slices.IndexFunc(s.rooms, func(r string) bool { return r != room }); other >= 0 && s.due() {
		room = s.rooms[other]
	}
	return s.Store.Append(ctx, room, body, "")
}

// refuse fails without storing the message.
func refuse(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if s.due() {
		return 0, errors.New("out of order")
	}
	return s.Store.Append(ctx, room, body, "")
}

// A garbage gives wrong answers to polls.
type garbage struct {
	// write writes the wrong response. The right one has the given list of messages and cursor.
	write func(w http.ResponseWriter, cursor string, list []byte)

	most int // wrong responses per room, before all others are right; 0: all are wrong

	mu     sync.Mutex
	given  int            // wrong responses so far
	inRoom map[string]int // the same by room
}

// due reports whether the current response in room must be wrong, and counts it.
func (g *garbage) due(room string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.most > 0 && g.inRoom[room] == g.most {
		return false
	}
	g.inRoom[room]++
	g.given++
	return true
}

// gives returns a function that makes a server that answers polls with write: the first polls of each
// room, as many as most, or all if that is 0.
func gives(most int, write func(w http.ResponseWriter, cursor string, list []byte)) func(*loadgen.Plan) subject {
	return func(*loadgen.Plan) subject {
		g := &garbage{write: write, most: most, inRoom: map[string]int{}}
		wrap := func(e transports.Endpoint) transports.Endpoint { return garbled{e, g} }
		return subject{store: &memory.Store{}, wrap: wrap, spoiled: func() int {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.given
		}}
	}
}

// A garbled transport lets users join, holds every other poll until there are messages, and then answers with garbage.
// So a generator that wrongly accepts garbage would find the messages in it.
type garbled struct {
	transports.Endpoint
	garbage *garbage
}

func (g garbled) Handler(log transports.Log) http.Handler {
	right := g.Endpoint.Handler(log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if joins(r) {
			right.ServeHTTP(w, r)
			return
		}
		after, ok := transports.Place(w, r, log)
		if !ok {
			return
		}
		room := r.PathValue("room")
		messages, err := log.Next(r.Context(), room, after, nth)
		if r.Context().Err() != nil {
			transports.Answer(w, after, nil, transports.Limits{}) // the server stops, or the client has gone
			return
		}
		if err != nil {
			transports.StoreError(w, err)
			return
		}
		list := []byte{'['}
		for i, m := range messages {
			if i > 0 {
				list = append(list, ',')
			}
			list = transports.AppendJSON(list, m)
			after = m.Seq
		}
		if !g.garbage.due(room) {
			right.ServeHTTP(w, r)
			return
		}
		g.garbage.write(w, strconv.FormatUint(after, 10), append(list, ']'))
	})
}

// joins reports whether a poll is that of a user who has no place yet.
func joins(r *http.Request) bool { return !r.URL.Query().Has("after") }

func notJSON(w http.ResponseWriter, cursor string, _ []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	fmt.Fprint(w, "<!DOCTYPE html><title>Bad gateway</title>")
}

// halfJSON leaves out only the last bracket: all messages are complete.
func halfJSON(w http.ResponseWriter, cursor string, list []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	w.Write(list[:len(list)-1])
}

// noList writes the messages without the brackets of a list.
func noList(w http.ResponseWriter, cursor string, list []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	w.Write(list[1 : len(list)-1])
}

func badCursor(w http.ResponseWriter, _ string, list []byte) {
	w.Header().Set(transports.NextCursor, "soon")
	w.Write(list)
}

// cutOff ends the response one byte early and closes the connection.
func cutOff(w http.ResponseWriter, cursor string, list []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	w.Header().Set("Content-Length", strconv.Itoa(len(list)))
	w.Header().Set("Connection", "close") // else only net/http closes it, and users wait for the byte
	w.Write(list[:len(list)-1])
}
