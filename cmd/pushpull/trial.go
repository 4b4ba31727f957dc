package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen/wire"
	"pushpull/report/text"
	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A trial sends one message from one user of a foreign server to another one, and shows what happens.
type trial struct {
	out     io.Writer
	dialer  *wire.Dialer
	dialect dialect.Dialect
	spec    string // of the transport
	room    string
	begun   time.Time
	secrets *trialHidden

	mu   sync.Mutex // for what follows, and for out
	last time.Time  // of the last step
	came string     // what came to the listener last, apart from messages
}

// The users of a trial.
const (
	listener = "listener"
	speaker  = "speaker"
)

// hidden stands for a secret.
const hidden = "xxxxx"

// variables matches variables of the environment in a dialect.
var variables = regexp.MustCompile(`\$\{(\w+)`)

// trialHidden is what a trial must not show.
type trialHidden struct {
	address *transports.Secrets
	values  []string // each followed by what stands for it
}

func (t *trial) hide(words string) string {
	return strings.NewReplacer(t.secrets.values...).Replace(t.secrets.address.Redact(words))
}

// A trialUser is a user that has joined.
type trialUser struct {
	transports.Session
	pool   wire.Pool
	heard  chan string // bodies of messages
	failed chan error  // at most one
	done   chan struct{}
}

// join joins a user, who receives until ctx ends.
func (t *trial) join(ctx context.Context, name string) (*trialUser, error) {
	client, err := dialect.Client(dialect.Observed(t.dialect, func(s dialect.Step) { t.see(name, s) }), t.spec)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, trialJoin, fmt.Errorf("the user was not ready within %v: write a rule with ready: true for what says so", trialJoin))
	defer cancel()
	u := &trialUser{heard: make(chan string, 16), failed: make(chan error, 1), done: make(chan struct{})}
	u.pool.Dialer = t.dialer
	u.Session, err = client.Join(limited, transports.Target{Base: t.dialer.Base(), HTTP: &u.pool}, t.room, "")
	if err != nil {
		u.pool.Close()
		if cause := context.Cause(limited); cause != nil && errors.Is(err, context.DeadlineExceeded) {
			err = cause
		}
		return nil, fmt.Errorf("joining as the %s: %w", name, err)
	}
	go func() {
		defer close(u.done)
		for m, err := range u.Messages(ctx) {
			if err != nil {
				u.failed <- err
				return
			}
			select {
			case u.heard <- string(m.Body):
			default: // a server that floods the room is seen in the steps
			}
		}
	}()
	return u, nil
}

// leave ends the user.
func (u *trialUser) leave() {
	_ = u.Close() // the trial is over
	<-u.done
	u.pool.Close()
}

// run returns what the trial has shown.
func (t *trial) run(ctx context.Context) (said string, err error) {
	ctx, stop := context.WithCancel(ctx)
	listens, err := t.join(ctx, listener)
	if err != nil {
		stop()
		return "", err
	}
	defer listens.leave()
	speaks, err := t.join(ctx, speaker)
	if err != nil {
		stop()
		return "", err
	}
	defer speaks.leave()
	defer stop()
	if err := t.calm(ctx); err != nil {
		return "", err
	}
	body := `pushpull says "hello" – ` + t.room[len(t.room)-4:]
	sent := time.Now()
	stored := make(chan error, 1)
	go speaks.Send(ctx, []byte(body), func(err error) { stored <- err })
	return t.follow(ctx, body, sent, listens, speaks, stored)
}

// calm waits until the users have joined and nothing happens for a while, or happens on and on.
func (t *trial) calm(ctx context.Context) error {
	begun := time.Now()
	for {
		t.mu.Lock()
		since := time.Since(t.last)
		t.mu.Unlock()
		if since >= trialCalm || time.Since(begun) > 2*trialCalm {
			return nil
		}
		if !pause(ctx, trialCalm-since) {
			return context.Cause(ctx)
		}
	}
}

// follow waits until the message has come and is acknowledged.
func (t *trial) follow(ctx context.Context, body string, sent time.Time, listens, speaks *trialUser, stored <-chan error) (string, error) {
	client, err := dialect.Client(t.dialect, t.spec)
	if err != nil {
		return "", err
	}
	silent := client.Way().Lacks.Acks
	var came, acknowledged time.Duration
	other := ""
	limit := time.NewTimer(trialHear)
	defer limit.Stop()
	for came == 0 || acknowledged == 0 && !silent {
		select {
		case got := <-listens.heard:
			if got == body {
				came = time.Since(sent)
			} else {
				other = got
			}
		case err := <-stored:
			if err != nil {
				return "", fmt.Errorf("the message was refused: %w", err)
			}
			acknowledged = time.Since(sent)
			stored = nil
		case err := <-listens.failed:
			return "", fmt.Errorf("the listener had to leave: %w", err)
		case err := <-speaks.failed:
			return "", fmt.Errorf("the speaker had to leave: %w", err)
		case <-limit.C:
			return "", t.missing(came, acknowledged, other)
		case <-ctx.Done():
			return "", errors.New("interrupted")
		}
	}
	twice := time.NewTimer(trialTwice)
	defer twice.Stop()
	for {
		select {
		case got := <-listens.heard:
			if got == body {
				return "", errors.New("the message came twice: check that one rule alone takes it, and that the place of the cursor is set")
			}
		case <-twice.C:
			said := "the message came back after " + text.Duration(milliseconds(came), 2)
			if silent {
				return said + "; this server doesn't acknowledge", nil
			}
			return said + ", acknowledged after " + text.Duration(milliseconds(acknowledged), 2), nil
		case <-ctx.Done():
			return "", errors.New("interrupted")
		}
	}
}

// missing says what has not come within the limit, and which rule may be missing.
func (t *trial) missing(came, acknowledged time.Duration, other string) error {
	t.mu.Lock()
	last := t.came
	t.mu.Unlock()
	said := "the message "
	if acknowledged > 0 {
		said += "was acknowledged after " + text.Duration(milliseconds(acknowledged), 2) + ", and "
	}
	within := fmt.Sprintf(" within %v", trialHear)
	switch {
	case came > 0:
		return fmt.Errorf("the message came back after %s, and was not acknowledged%s: write a rule with stored, or lacks: [acks] if the server never does", text.Duration(milliseconds(came), 2), within)
	case other != "":
		return fmt.Errorf("%scame back as %s: check the template of message", said, t.shortened([]byte(other)))
	case last != "":
		return fmt.Errorf("%sdid not come back%s: write a rule with message for what came last to the listener, %s", said, within, last)
	}
	return fmt.Errorf("%sdid not come back%s, and nothing else came to the listener: check that ask and say name the same room", said, within)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// pause waits, and returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// see shows a step of a user.
func (t *trial) see(name string, s dialect.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	lines := t.sent(s.Sent)
	if !s.Sends() {
		lines = t.gets(s)
	}
	if lines == nil {
		return
	}
	t.last = now
	if !s.Sends() && name == listener && len(s.Heard.Messages) == 0 && s.Unit.Kind != dialect.Begun && s.Unit.Kind != dialect.Opened {
		if t.came = strings.TrimPrefix(lines[0], "gets "); len(s.Unit.Body) > 0 {
			t.came += " " + t.shortened(s.Unit.Body)
		}
	}
	head := fmt.Sprintf("%8.1f ms  %-8s  ", milliseconds(now.Sub(t.begun)), name)
	for _, line := range lines {
		fmt.Fprintln(t.out, head+line)
		head = strings.Repeat(" ", len(head))
	}
}

// sent describes a request or a frame; nil if there is none.
func (t *trial) sent(r dialect.Request) []string {
	if r.Frame() {
		return []string{"sends a frame", t.shortened(r.Body)}
	}
	if r.Method == "" {
		return nil
	}
	lines := []string{"sends " + r.Method + " " + t.line(r.Path)}
	for _, key := range slices.Sorted(maps.Keys(r.Header)) {
		value := t.line(strings.Join(r.Header[key], ", "))
		if private.MatchString(key) {
			value = hidden
		}
		lines = append(lines, text.Clean(key)+": "+value)
	}
	if len(r.Body) > 0 {
		lines = append(lines, t.shortened(r.Body))
	}
	return lines
}

// private matches the names of headers whose values are secrets, unlike that of Sec-WebSocket-Key.
var private = regexp.MustCompile(`(?i)auth|api-?key|token|secret|cookie|signature`)

// gets describes what came, and what it meant; nil if nothing did.
func (t *trial) gets(s dialect.Step) []string {
	u := s.Unit
	head := "gets " + u.Kind.String()
	switch {
	case u.Kind == dialect.Begun && len(s.Heard.Replies) == 0 && s.Err == nil:
		return nil
	case u.Status > 0:
		head += " " + strconv.Itoa(u.Status)
	case u.Code > 0:
		head += " " + strconv.Itoa(u.Code)
	case u.Event != "":
		head += " " + t.line(u.Event)
	}
	lines := []string{head}
	if len(u.Body) > 0 {
		lines = append(lines, t.shortened(u.Body))
	}
	meant := meaning(s.Heard)
	if s.Err != nil {
		meant = "error: " + t.line(s.Err.Error())
	}
	took := "by no rule"
	if s.Took != "" {
		took = "by " + s.Took
	}
	return append(lines, took+": "+meant)
}

// meaning says what a unit meant.
func meaning(h *dialect.Heard) string {
	var parts []string
	add := func(is bool, words string) {
		if is {
			parts = append(parts, words)
		}
	}
	add(h.Ready, "ready")
	add(len(h.Messages) > 0, text.Plural(len(h.Messages), "message", "messages"))
	add(len(h.Stored) > 0 || h.Oldest > 0, text.Plural(len(h.Stored)+h.Oldest, "acknowledgement", "acknowledgements"))
	add(len(h.Refused) > 0, "refused")
	add(h.Kept, "neither acknowledged nor refused yet")
	add(len(h.Replies) > 0, text.Plural(len(h.Replies), "reply", "replies"))
	add(h.More, "asks again at once")
	add(h.Gap, "a gap: messages are lost")
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// longestShown is how many characters of a text a trial shows.
const longestShown = 160

// shortened returns the beginning of a body in quotes, with its length if that isn't all.
func (t *trial) shortened(body []byte) string {
	// A secret that the limit cuts is still to be found, and a frame of megabytes is not searched.
	part := t.hide(string(body[:min(len(body), 16*longestShown)]))
	if cut := cutShort(part); cut != part || len(body) > 16*longestShown {
		return fmt.Sprintf("%q (of %d bytes)", cut, len(body))
	}
	return strconv.Quote(part)
}

// line returns the beginning of a text as part of a line.
func (t *trial) line(s string) string { return text.Clean(cutShort(t.hide(s))) }

// cutShort returns the beginning of a text.
func cutShort(s string) string {
	if len(s) <= longestShown {
		return s
	}
	return strings.ToValidUTF8(s[:longestShown], "") + "…"
}
