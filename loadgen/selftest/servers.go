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
	spoiled func() int            // how often it has done wrong so far; nil: it never does
	work    func(context.Context) // goes on as long as it serves; may be nil
	garbage *garbage              // what it answers polls with; nil: what is right
}

// serve serves s on loopback until stop is called.
func (s subject) serve(ctx context.Context) (base *url.URL, stop func() error, err error) {
	served := &server.Server{Store: s.store}
	if s.garbage != nil {
		served.Transports = map[string]transports.Transport{}
		for _, name := range all.Names() {
			t, err := all.New(name, transports.Limits{})
			if err != nil {
				return nil, nil, err
			}
			served.Transports[name] = garbled{t, s.garbage}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("starting a server: %w", err)
	}
	// It outlives ctx until stop: whoever measures it leaves first.
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

// honest does no wrong.
func honest(*loadgen.Plan) subject { return subject{store: &memory.Store{}} }

// until waits for a time; false when ctx ended first.
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

// A delayed store shows each message a constant time after it came. It takes messages at once: if
// it let senders wait, one message would delay the next, and the delay would not be constant.
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

func (d *delayed) Append(_ context.Context, room string, body []byte) (uint64, error) {
	d.came <- arrival{room, slices.Clone(body), time.Now()}
	return 1, nil // no user goes by the seq of what it has sent
}

// show stores what came, when its time has come.
func (d *delayed) show(ctx context.Context) {
	for {
		select {
		case a := <-d.came:
			// A timer is up to a millisecond late when nothing else runs, which would stand in
			// every latency: the last one is waited for awake.
			shown := a.at.Add(d.by)
			if !until(ctx, shown.Add(-time.Millisecond)) {
				return
			}
			for time.Now().Before(shown) {
				runtime.Gosched()
			}
			_, _ = d.Store.Append(ctx, a.room, a.body) // it never fails
		case <-ctx.Done():
			return
		}
	}
}

// A stalling store stops now and then, like a server that collects garbage, and nobody is
// answered until it goes on. It keeps to the plan's clock, which the messages tell: the one that
// was under way for the shortest time is the closest.
type stalling struct {
	memory.Store

	mu    sync.Mutex
	start time.Time // of the window, as far as is known; zero: no message has come
}

func newStalling(*loadgen.Plan) subject { return subject{store: &stalling{}} }

// Append keeps what comes in a stall where nobody sees it before the end, which is also when the
// sender is answered.
func (s *stalling) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	if stamp, ok := loadgen.ParseStamp(body); ok {
		start := time.Now().Add(-stamp.Actual)
		s.mu.Lock()
		if s.start.IsZero() || start.Before(s.start) {
			s.start = start
		}
		s.mu.Unlock()
	}
	seq, err := s.Store.Append(ctx, room, body)
	s.pass(ctx)
	return seq, err
}

func (s *stalling) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.pass(ctx)
	return s.Store.After(ctx, room, seq, limit)
}

// pass returns once the store isn't stalled.
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

// A spoiler does wrong to every nth message, and keeps count.
type spoiler struct {
	memory.Store

	plan  *loadgen.Plan
	spoil func(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error)

	mu      sync.Mutex
	came    int
	spoiled int
	rooms   []string       // in which something came
	held    map[int][]byte // by user, a message that the user's next one overtakes
}

// one in so many messages is spoiled.
const nth = 100

// spoils returns what makes a server that does wrong by spoil.
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

func (s *spoiler) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	if _, ok := loadgen.ParseStamp(body); !ok {
		return s.Store.Append(ctx, room, body) // it is not of the plan
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came++
	if !slices.Contains(s.rooms, room) {
		s.rooms = append(s.rooms, room)
	}
	return s.spoil(s, ctx, room, body)
}

// due says whether it is the turn of the message that came to be spoiled.
func (s *spoiler) due() bool {
	if (s.came+nth/2)/nth == s.spoiled {
		return false
	}
	s.spoiled++
	return true
}

// lose says that it has stored what it forgets.
func lose(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if s.due() {
		return 1, nil
	}
	return s.Store.Append(ctx, room, body)
}

// double stores a message twice.
func double(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if s.due() {
		_, _ = s.Store.Append(ctx, room, body) // it never fails
	}
	return s.Store.Append(ctx, room, body)
}

// swap keeps a message back until the same user's next one is stored.
func swap(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	stamp, _ := loadgen.ParseStamp(body)
	held, overtakes := s.held[stamp.User]
	if _, more := s.plan.Find(stamp.User, stamp.Number+1); more && !overtakes && s.due() {
		s.held[stamp.User] = slices.Clone(body)
		return 1, nil
	}
	seq, err := s.Store.Append(ctx, room, body)
	if overtakes {
		delete(s.held, stamp.User)
		return s.Store.Append(ctx, room, held)
	}
	return seq, err
}

// misplace stores a message in another room.
func misplace(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if other := slices.IndexFunc(s.rooms, func(r string) bool { return r != room }); other >= 0 && s.due() {
		room = s.rooms[other]
	}
	return s.Store.Append(ctx, room, body)
}

// refuse says that it can't.
func refuse(s *spoiler, ctx context.Context, room string, body []byte) (uint64, error) {
	if s.due() {
		return 0, errors.New("out of order")
	}
	return s.Store.Append(ctx, room, body)
}

// A garbage is an answer to a poll that is none.
type garbage struct {
	// write answers, instead of with the given list of messages and the place to read on from.
	write func(w http.ResponseWriter, cursor string, list []byte)

	most int // answers in each room, before all are right; 0: all

	mu     sync.Mutex
	given  int
	inRoom map[string]int
}

// due says whether it is the turn of an answer in room to be garbage.
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

// gives returns what makes a server that answers polls by write, most of each room or, if that is
// 0, all of them.
func gives(most int, write func(w http.ResponseWriter, cursor string, list []byte)) func(*loadgen.Plan) subject {
	return func(*loadgen.Plan) subject {
		g := &garbage{write: write, most: most, inRoom: map[string]int{}}
		return subject{store: &memory.Store{}, garbage: g, spoiled: func() int {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.given
		}}
	}
}

// A garbled transport answers garbage once there is something to say, so that messages are within
// reach of whoever reads on regardless. Every poll is held until then.
type garbled struct {
	transports.Transport
	garbage *garbage
}

func (g garbled) Handler(log transports.Log) http.Handler {
	right := g.Transport.Handler(log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r)
		if !ok {
			return
		}
		room := r.PathValue("room")
		messages, err := log.Next(r.Context(), room, after, nth)
		if r.Context().Err() != nil {
			transports.Answer(w, after, nil) // the server stops, or who asked has gone
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

func notJSON(w http.ResponseWriter, cursor string, _ []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	fmt.Fprint(w, "<!DOCTYPE html><title>Bad gateway</title>")
}

// halfJSON leaves out the last bracket alone: every message is there.
func halfJSON(w http.ResponseWriter, cursor string, list []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	w.Write(list[:len(list)-1])
}

// noList is a message, or several, where a list is due.
func noList(w http.ResponseWriter, cursor string, list []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	w.Write(list[1 : len(list)-1])
}

func badCursor(w http.ResponseWriter, _ string, list []byte) {
	w.Header().Set(transports.NextCursor, "soon")
	w.Write(list)
}

// cutOff ends the connection one byte early.
func cutOff(w http.ResponseWriter, cursor string, list []byte) {
	w.Header().Set(transports.NextCursor, cursor)
	w.Header().Set("Content-Length", strconv.Itoa(len(list)))
	w.Write(list[:len(list)-1])
}
