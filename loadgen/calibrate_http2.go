package loadgen

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http2/hpack"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// Over HTTP/2 an exchange takes as many bytes as the exchanges before it on its connection let it (HPACK, RFC 7541): a
// header that both sides have in their tables is a reference of a byte or two. So the bytes are measured on a
// connection that has carried such exchanges, and apart from that what the first ones take beyond. A place is new
// once, in a Next-Cursor and in the path of the next poll: the answer with messages is charged for both.

// compressed is bytes over HTTP/2.
func (p *probe) compressed(ctx context.Context) (*result.Bytes, error) {
	p = &probe{p.window, p.server, p.window.roomLikeUsers()}
	s := p.connect()
	defer s.pool.Close()
	date, err := p.newDate(ctx, s)
	if err != nil {
		return nil, err
	}
	if p.window.way.Polls() {
		return p.polled(ctx, date)
	}
	s.dates.bytes = date
	target, number := transports.Target{Base: s.pool.Dialer.Base(), HTTP: &s.dates}, 0
	publish := func() (int64, error) {
		before := s.carried()
		number++
		err := transports.Publish(ctx, target, p.room, Stamp{Number: number}.appendTo(nil, p.window.size), "")
		return s.carried() - before, err
	}
	first, err := publish() // where no stream begins at the same time
	if err != nil {
		return nil, err
	}
	later, err := publish()
	if err != nil {
		return nil, err
	}
	_, place, err := p.read(ctx, "", 2)
	if err != nil {
		return nil, err
	}
	t, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	t.dates.bytes = date
	if err := t.say(ctx); err != nil { // its headers are literals, and the stream has begun when it is back
		return nil, err
	}
	b, err := p.pushed(ctx, t, place)
	if err == nil {
		b.Literals = &result.Literals{Send: max(0, first-later), Date: date}
	}
	return b, err
}

// roomLikeUsers returns the name of a room that is as long as that of the users' last room, and isn't one of theirs.
func (w *window) roomLikeUsers() string {
	digits := 1
	if n := len(w.users); n > 0 {
		digits = len(w.users[n-1].room) - len(w.rooms) - 1
	}
	return w.rooms + "-" + strings.Repeat("p", digits)
}

// polled measures the bytes of polls over HTTP/2, on the connection of a member that polls and sends, as users do. Its
// polls go on from the places that it names, as those of a user that follows the room.
func (p *probe) polled(ctx context.Context, date int64) (*result.Bytes, error) {
	other, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	defer other.leave()
	t, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	t.dates.bytes = date
	place := t.Cursor()
	took := func(do func() error) int64 {
		if err != nil {
			return 0
		}
		before := t.carried()
		err = do()
		return t.carried() - before
	}
	said := func(by *talker) int64 { return took(func() error { return by.say(ctx) }) }
	read := func(n int) int64 {
		return took(func() (err error) {
			place, err = p.pollOn(ctx, t.probeSession, place, n)
			return err
		})
	}
	said(other)
	firstAnswer := read(1)
	firstSend := said(t)
	b := &result.Bytes{Send: said(t)}
	read(2) // for the length of such an answer
	said(other)
	one := read(1)
	said(other)
	said(other)
	b.Message = read(2) - one
	b.Answer = one - b.Message
	firstPoll := read(0)
	b.Empty = read(0)
	b.Literals = &result.Literals{
		Send: max(0, firstSend-b.Send), Poll: max(0, firstPoll-b.Empty), Answer: max(0, firstAnswer-one), Date: date,
	}
	return b, err
}

// pollOn polls once on the connection of s, for the n messages after a place, or none. It returns the place after them.
func (p *probe) pollOn(ctx context.Context, s *probeSession, from transports.Cursor, n int) (transports.Cursor, error) {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	asked := &once{wire: &s.dates, answered: make(chan struct{})}
	target := transports.Target{Base: s.pool.Dialer.Base(), HTTP: asked}
	if n == 0 {
		target.Hold = probeHold
		asked.wire = &final{&s.dates, quit}
	}
	session, err := p.window.client.Join(ctx, target, p.room, from)
	if err != nil {
		return from, err
	}
	defer session.Close()
	for _, err := range session.Messages(ctx) {
		if err != nil {
			return from, err
		}
		if n--; n == 0 {
			return session.Cursor(), nil
		}
	}
	select {
	case <-asked.answered: // without a message
		return from, nil
	default:
		return from, context.Cause(ctx)
	}
}

// final is an http.RoundTripper that calls end after an answer.
type final struct {
	wire http.RoundTripper
	end  func()
}

func (f *final) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f.wire.RoundTrip(req)
	if err == nil {
		f.end()
	}
	return resp, err
}

// dates is the wire of a member over HTTP/2. It counts the answers whose Date is not that of the answer before: HPACK
// writes it once a second, whatever is asked for.
type dates struct {
	wire  http.RoundTripper
	bytes int64 // that a new Date takes

	mu      sync.Mutex
	last    string
	changes int64
}

func (d *dates) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.wire.RoundTrip(req)
	if err == nil {
		d.mu.Lock()
		if date := resp.Header.Get("Date"); date != d.last {
			d.last = date
			d.changes++
		}
		d.mu.Unlock()
	}
	return resp, err
}

// seen returns how often the Date has changed.
func (d *dates) seen() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changes
}

// written returns the bytes of new Dates.
func (d *dates) written() int64 {
	if d.bytes == 0 {
		return 0
	}
	return d.bytes * d.seen()
}

// newDate returns the bytes that a new Date takes, instead of a reference: an index of a byte for its name, a byte for
// its length, and its Huffman code (RFC 7541, sections 5.2 and 6.2.1). To wait for one would take a second. They are 0
// if there is none, or the server, which is that of a proxy, writes it in full each time.
func (p *probe) newDate(ctx context.Context, s *probeSession) (int64, error) {
	const (
		frame  = 9      // the head of a frame (RFC 9113, section 4.1)
		record = 5 + 17 // the head, the type and the tag of a TLS record (RFC 8446, section 5.2)
	)
	for first := true; ; first = false {
		in, changes := s.counts.Total().BytesIn, s.dates.seen()
		path := s.pool.Dialer.Base().JoinPath(health)
		resp, err := s.dates.RoundTrip(transports.NewRequest(ctx, http.MethodHead, path, http.Header{}, nil))
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		date := resp.Header.Get("Date")
		if date == "" {
			return 0, nil
		}
		if first || s.dates.seen() > changes {
			continue
		}
		indexed := int64(frame + 1) // and the status
		for _, values := range resp.Header {
			indexed += int64(len(values))
		}
		if s.pool.Dialer.Base().Scheme == "https" {
			indexed += record
		}
		full := int64(hpack.HuffmanEncodeLength(date)) + 1
		if s.counts.Total().BytesIn-in >= indexed+full {
			return 0, nil
		}
		return full, nil
	}
}
