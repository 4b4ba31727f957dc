package transports

import (
	"errors"
	"fmt"
	"time"
)

// A Way describes how the users of a transport get the next message. Exactly one of Every, Hold and
// Stream is set. The load generator, theory, reports and pages depend on the Way of a transport, never
// on its name.
type Way struct {
	Title  string        // the name in running text: "long polling", "WebSocket"
	Every  time.Duration // period of the timer on which a user polls
	Hold   time.Duration // longest time that the server holds a poll
	Scan   time.Duration // with Hold: period in which the server reads the store for a held poll, as nothing wakes it
	Stream bool          // the server writes messages as they come
	Duplex bool          // with Stream: users send on the connection that they read from

	// Heartbeat, with Stream, is how long the server is silent at most before it writes something that holds
	// no message; 0: it may be silent forever.
	Heartbeat time.Duration

	// Engine names what speaks the protocol on the server's side, if that is all in which transports differ;
	// "" otherwise.
	Engine string

	Server string // the server's title, like "nchan"; "" for pushpull's own
	Lacks  Lacks  // what the server doesn't promise
	Batch  int    // most messages in one answer to a poll; 0: no limit that a user would notice
}

// Lacks are the promises that a server doesn't make. pushpull's own server makes all of them.
type Lacks struct {
	Replay bool // a new user doesn't get the messages that were sent before it joined
	Resume bool // a user that joins again doesn't get the messages that it has missed
	Gaps   bool // it jumps over messages that have left its log without a word
	Acks   bool // it doesn't acknowledge messages
	Order  bool // messages of one user may arrive in another order
	Echo   bool // users don't get their own messages
}

// Validate returns an error if w lacks a title or its fields contradict each other.
func (w Way) Validate() error {
	ways := 0
	for _, is := range []bool{w.Every > 0, w.Hold > 0, w.Stream} {
		if is {
			ways++
		}
	}
	switch {
	case w.Title == "":
		return errors.New("a transport's Way needs a title")
	case w.Every < 0 || w.Hold < 0 || w.Scan < 0 || w.Heartbeat < 0:
		return fmt.Errorf("the times of %s must not be negative", w.Title)
	case w.Batch < 0:
		return fmt.Errorf("the batch of %s must not be negative", w.Title)
	case ways != 1:
		return fmt.Errorf("%s must set exactly one of Every, Hold and Stream, not %d", w.Title, ways)
	case w.Scan > 0 && w.Hold == 0:
		return fmt.Errorf("%s scans, but holds no request", w.Title)
	case w.Duplex && !w.Stream:
		return fmt.Errorf("%s sends on the connection it reads from, but doesn't stream", w.Title)
	case w.Heartbeat > 0 && !w.Stream:
		return fmt.Errorf("%s has heartbeats, but doesn't stream", w.Title)
	}
	return nil
}

// Polls reports whether users poll, on a timer or with held requests.
func (w Way) Polls() bool { return !w.Stream }

// Timer returns the period of the timer that delays delivery, the user's or the server's; 0 if a
// message is delivered as it comes.
func (w Way) Timer() time.Duration { return max(w.Every, w.Scan) }

// ParseInterval parses a transport's setting that is a time, like the 5s of short-poll@5s. It
// returns usual if the setting is empty. what names the time in the error.
func ParseInterval(transport, setting, what string, usual time.Duration) (time.Duration, error) {
	if setting == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(setting)
	if err != nil || d < time.Millisecond || d > time.Hour {
		return 0, fmt.Errorf("the %s must be a time from 1ms to 1h, like %s@%v", what, transport, usual)
	}
	return d, nil
}
