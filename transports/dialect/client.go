package dialect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pushpull/transports"
)

// A LackingError is the error of a transport that a server doesn't offer.
type LackingError struct {
	Server    string   // its title
	Transport string   // like "long-poll"
	Has       []string // the transports that it offers
}

func (e *LackingError) Error() string {
	return fmt.Sprintf("%s has no %s: it offers %s", e.Server, e.Transport, strings.Join(e.Has, ", "))
}

// Client returns the user's side of a transport on the servers that speak a dialect. spec names it as on the
// command line, like "long-poll" or "short-poll@1s": the text after the @ is the interval of users that poll on a
// timer. The error is a *LackingError if such servers don't offer the transport.
func Client(d Dialect, spec string) (transports.Client, error) {
	name, setting, given := strings.Cut(spec, "@")
	ways, about := d.Ways(), d.About()
	i := slices.IndexFunc(ways, func(w Way) bool { return w.Transport == name })
	if i < 0 {
		lacking := &LackingError{Server: about.Title, Transport: name}
		for _, w := range ways {
			lacking.Has = append(lacking.Has, w.Transport)
		}
		return nil, lacking
	}
	w := ways[i]
	w.Way.Title += " on " + about.Title
	w.Way.Server = about.Title
	switch {
	case given && setting == "":
		return nil, fmt.Errorf("bad transport %q: put a setting after the @, or leave it out", spec)
	case given && w.Way.Every == 0:
		return nil, fmt.Errorf("bad transport %q: %s of %s takes no interval", spec, name, about.Title)
	case given:
		every, err := transports.ParseInterval(name, setting, "interval", w.Way.Every)
		if err != nil {
			return nil, fmt.Errorf("bad transport %q: %w", spec, err)
		}
		w.Way.Every = every
	}
	if err := w.Way.Validate(); err != nil {
		return nil, fmt.Errorf("the dialect %s: %w", about.Name, err)
	}
	return &client{d, w}, nil
}

// A client is the user's side of one way.
type client struct {
	dialect Dialect
	way     Way
}

var _ transports.Client = (*client)(nil)

// Way implements transports.Client.
func (c *client) Way() transports.Way { return c.way.Way }

// Join implements transports.Client. It makes the handshakes of the dialect, until the user is a member of room.
func (c *client) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	speech, err := c.dialect.Speak(c.way, room, from)
	if err != nil {
		return nil, fmt.Errorf("joining: %w", err)
	}
	var s session
	switch {
	case c.way.Socket:
		s = &socket{}
	case c.way.Way.Stream:
		s = &stream{}
	default:
		s = &poll{}
	}
	s.begin(&c.way, speech, target, func() { s.cut(errUnacknowledged) })
	ctx, cancel := context.WithTimeoutCause(ctx, transports.AnswerTime, errUnready)
	defer cancel()
	if err := s.join(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		s.Close()
		return nil, err
	}
	return s, nil
}

// A session is that of a carrier.
type session interface {
	transports.Session
	begin(w *Way, speech Speech, target transports.Target, overdue func())
	join(ctx context.Context) error
	cut(why error) // ends both halves at once
}

// errUnready is the error of a user that the server doesn't take into the room in time.
var errUnready error = &transports.TimeoutError{Part: "take the user into the room", Limit: transports.AnswerTime}

// errUnacknowledged ends a session whose server has not acknowledged a message in time.
var errUnacknowledged error = &transports.TimeoutError{Part: "acknowledge a message", Limit: acknowledgeTime}

// acknowledgeTime is how long the acknowledgement of a message may take: the answer of an HTTP request that sends
// it, and from then on the acknowledgement, where that comes apart from it.
const acknowledgeTime = 2 * transports.AnswerTime

// Bounds of what a server can make a user do.
const (
	mostSteps   = 32       // requests of a handshake
	mostReplies = 16       // to one unit
	mostEmpty   = 100      // answers in a row without a message after which a user asks again at once
	mostAnswer  = 64 << 10 // bytes of an answer to a send, or to a reply, that are read
	mostLine    = 16 << 20 // bytes of a line of a stream
	keptBody    = 16 << 10 // bytes of memory for answers that a user keeps
	lineBuffer  = 512      // bytes, while lines are small
)

// errNotReady is the error of a handshake that has no end.
var errNotReady = fmt.Errorf("the user is not ready after %d requests: does a rule say when it is?", mostSteps)

// exchange sends an HTTP request and hands over the head of the answer. Its body must be closed.
func (t *talk) exchange(ctx context.Context, r Request) (*http.Response, error) {
	u, err := t.url(r.Path)
	if err != nil {
		return nil, err
	}
	header, err := r.header(u)
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	return t.target.HTTP.RoundTrip(transports.NewRequest(ctx, r.Method, u, header, r.Body))
}

// url returns the address of a path on the server.
func (t *talk) url(path string) (*url.URL, error) {
	path, query, _ := strings.Cut(path, "?")
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("bad path %.100q: it must begin with /", path)
	}
	u := *t.target.Base
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, fmt.Errorf("bad path %.100q: what follows %% must be two hexadecimal digits", path)
	}
	before, escaped := strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.EscapedPath(), "/")
	u.Path, u.RawPath, u.RawQuery = before+plain, escaped+path, query
	return &u, nil
}

// hear hands a unit to the speech and acts on what is not for the receiver: it calls back the sends that are
// acknowledged or refused. h is filled anew.
func (t *talk) hear(u Unit, h *Heard) error {
	h.Reset()
	t.mu.Lock()
	err := t.speech.Hear(u, h)
	t.mu.Unlock()
	if u.Kind == Taken && len(h.Messages)+len(h.Replies) > 0 {
		return errors.New("the answer to a send can hold neither messages nor ask for replies")
	}
	if u.Kind != Taken {
		t.ready, t.gap = t.ready || h.Ready, t.gap || h.Gap
	}
	for _, n := range h.Stored {
		if err := t.settle(n, nil); err != nil {
			return err
		}
	}
	for range h.Oldest {
		if err := t.settleOldest(nil); err != nil {
			return err
		}
	}
	for _, r := range h.Refused {
		settle := t.settleOldest
		if r.Number > 0 {
			settle = func(err error) error { return t.settle(r.Number, err) }
		}
		if err := settle(fmt.Errorf("sending a message: %w", r.Why)); err != nil {
			return err
		}
	}
	if len(h.Replies) > mostReplies {
		return fmt.Errorf("%d replies to one %v are more than %d", len(h.Replies), u.Kind, mostReplies)
	}
	return err
}

var errNotSent = errors.New("the server acknowledged a message that was not sent")

// settle calls back the send with a number. A second acknowledgement changes nothing.
func (t *talk) settle(n uint64, err error) error {
	if n == 0 || n > t.said.Load() {
		return fmt.Errorf("%w: number %d", errNotSent, n)
	}
	if stored := t.pending.Take(n); stored != nil {
		stored(err)
	}
	return nil
}

// settleOldest calls back the oldest send.
func (t *talk) settleOldest(err error) error {
	stored := t.pending.Oldest()
	if stored == nil {
		return errNotSent
	}
	stored(err)
	return nil
}

// answer reads the body of an answer to a send or a reply, as far as it matters.
func answer(resp *http.Response) (body []byte, err error) {
	if resp.ContentLength == 0 {
		return nil, nil // reading would need a buffer
	}
	if n := resp.ContentLength; n > 0 && n <= mostAnswer {
		body = make([]byte, n)
		_, err = io.ReadFull(resp.Body, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return body, nil
}
