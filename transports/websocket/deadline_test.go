package websocket

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
)

const unacknowledged = "the server did not acknowledge a message within 10s"

// A server that is silent for ever, as on a half-open connection, ends the session when a message has
// waited too long, whether the server reads or not.
func TestNoAcknowledgement(t *testing.T) {
	for name, reads := range map[string]bool{"the server reads": true, "the server reads nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, server := connect(t)
				if reads {
					go io.Copy(io.Discard, server)
				}
				ended := make(chan error, 1)
				go func() {
					for _, err := range s.Messages(background) {
						ended <- err
					}
				}()
				time.Sleep(time.Hour) // a user that sends nothing may wait for as long as it likes
				begun := time.Now()
				calls := make(chan error, 1)
				s.Send(background, []byte("hello"), func(err error) { calls <- err })
				for _, err := range []error{<-calls, <-ended} {
					broken, ok := errors.AsType[net.Error](err)
					if !ok || !broken.Timeout() || !strings.Contains(err.Error(), unacknowledged) {
						t.Errorf("the session ended with %v", err)
					}
				}
				if took := time.Since(begun); took != transports.AnswerTime {
					t.Errorf("it took %v, want %v", took, transports.AnswerTime)
				}
				s.Close()
			})
		})
	}
}

// The time of each message counts from its own Send, with one timer for all of them that doesn't run
// for a user without pending messages.
func TestDeadlineOfEachMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go io.Copy(io.Discard, server)
		ended := make(chan error, 1)
		go func() {
			for _, err := range s.Messages(background) {
				ended <- err
			}
		}()
		var failed []error
		send := func(body string) {
			s.Send(background, []byte(body), func(err error) {
				if err != nil {
					failed = append(failed, err)
				}
			})
		}
		for range 20 { // acknowledged just in time
			send("hello")
			time.Sleep(6 * time.Second)
			send("again")
			time.Sleep(transports.AnswerTime - 6*time.Second - time.Nanosecond)
			io.WriteString(server, text(`{"stored":1}`)+text(`{"stored":2}`))
			synctest.Wait()
		}
		if len(failed) > 0 {
			t.Fatalf("sends failed though they were acknowledged: %v", failed)
		}
		time.Sleep(time.Minute)
		begun := time.Now()
		send("acknowledged")
		time.Sleep(3 * time.Second)
		send("lost")
		io.WriteString(server, text(`{"stored":3}`))
		if err := <-ended; !strings.Contains(err.Error(), unacknowledged) {
			t.Errorf("Messages: %v", err)
		}
		if took := time.Since(begun); took != 3*time.Second+transports.AnswerTime {
			t.Errorf("the session ended after %v, want 10 s after the second send", took)
		}
		synctest.Wait()
		if len(failed) != 1 {
			t.Errorf("%d sends failed, want the second one", len(failed))
		}
	})
}

// A server that asks, but doesn't read the answers, is not waited for either.
func TestPongIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go io.WriteString(server, serverFrame(finBit|opPing, "are you there"))
		begun := time.Now()
		for _, err := range s.Messages(background) {
			if broken, ok := errors.AsType[net.Error](err); !ok || !broken.Timeout() || !strings.Contains(err.Error(), "did not read a frame within 10s") {
				t.Errorf("Messages: %v", err)
			}
		}
		if took := time.Since(begun); took != transports.AnswerTime {
			t.Errorf("it took %v, want %v", took, transports.AnswerTime)
		}
	})
}

// A server that breaks the protocol is sent the reason, as far as it reads.
func TestCloseOfABrokenServer(t *testing.T) {
	for stream, code := range map[string]string{
		serverFrame(finBit|opContinuation, ""):          "\x03\xea",
		serverFrame(finBit|opBinary, "{}"):              "\x03\xeb",
		text("{\"seq\":1,\"body\":\"\xff\"}"):           "\x03\xef",
		"\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x01":      "\x03\xf1",
		serverFrame(finBit|opClose, "\x03"):             "\x03\xea",
		serverFrame(finBit|opClose, "\x03\xed"):         "\x03\xea",
		serverFrame(finBit|opClose, "\x03\xe8bye"):      "\x03\xe8",
		serverFrame(finBit|opClose, "\x0f\xa0"):         "\x0f\xa0",
		serverFrame(finBit|opClose, ""):                 "",
		serverFrame(finBit|opPing, "") + "\x09\x00":     "\x03\xea",
		serverFrame(finBit|opClose, "\x03\xe8\xff\xff"): "\x03\xef",
	} {
		synctest.Test(t, func(t *testing.T) {
			s, server := connect(t)
			go io.WriteString(server, stream)
			said := make(chan frame, 10)
			go func() {
				defer close(said)
				for f, err := unmask(server); err == nil; f, err = unmask(server) {
					said <- f
				}
			}()
			for range s.Messages(background) {
			}
			var last frame
			for f := range said {
				last = f
			}
			if last.op != opClose || string(last.payload) != code {
				t.Errorf("%x is answered last with kind %d, %x, want a close with %x", stream, last.op, last.payload, code)
			}
		})
	}
}

// Joining again may help after some of the close codes.
func TestCloseCodesOfTheServer(t *testing.T) {
	for payload, again := range map[string]bool{
		"": true, "\x03\xe8": true, "\x03\xe9": true, "\x03\xf3": true, "\x03\xf4": true, "\x03\xf5": true, "\x03\xf6": true,
		"\x03\xea": false, "\x03\xeb": false, "\x03\xef": false, "\x03\xf0": false, "\x03\xf1": false, "\x0b\xb8": false, "\x0f\xa0": false,
		"\x03": false, "\x03\xed": false,
	} {
		if err := closeError([]byte(payload)); errors.Is(err, transports.ErrStopping) != again {
			t.Errorf("joining again after %v: %t, want %t", err, !again, again)
		}
	}
}
