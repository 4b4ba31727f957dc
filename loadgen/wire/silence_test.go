package wire

import (
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdleEnds tells a timer's ends, which follow equal silences at different times, from those of a server that died.
func TestIdleEnds(t *testing.T) {
	const s = time.Second
	timer := []silence{} // each connection was silent from another time on, for a minute
	died := []silence{}  // and so here, but all end together
	begun := time.Now()
	for i := range 10 {
		since := begun.Add(time.Duration(i) * s)
		timer = append(timer, silence{since.Add(60*s + time.Duration(i%3)*10*time.Millisecond), 60*s + time.Duration(i%3)*10*time.Millisecond})
		died = append(died, silence{begun.Add(70 * s), 70*s - time.Duration(i)*s})
	}
	together := slices.Repeat([]silence{{begun, 60 * s}}, 10)
	for name, c := range map[string]struct {
		all   []silence
		count int
	}{
		"a timer":                          {timer, 10},
		"a timer, and a server that died":  {append(slices.Clone(timer), died[:5]...), 10},
		"a server that died":               {died, 0},
		"users who joined all at once":     {together, 0},
		"two":                              {timer[:2], 0},
		"a timer, and more that are known": {append(slices.Clone(timer[:4]), died...), 0},
		"none":                             {nil, 0},
	} {
		counts := &Counts{}
		counts.silences.all = c.all
		got := counts.IdleEnds()
		if c.count == 0 && got != nil || c.count > 0 && (got == nil || got.Count < c.count || got.AfterS < 59 || got.AfterS > 62) {
			t.Errorf("%s: %+v, want %d", name, got, c.count)
		}
	}
}

// TestSilence ends connections after silences, in virtual time: by the other side, also with a farewell, and by the user.
func TestSilence(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(theirs net.Conn, ours *conn)
		want time.Duration // 0: none
	}{
		"an end":               {func(theirs net.Conn, _ *conn) { theirs.Close() }, 30 * time.Second},
		"an end with farewell": {func(theirs net.Conn, _ *conn) { io.WriteString(theirs, "bye"); theirs.Close() }, 30 * time.Second},
		"the user's own end":   {func(_ net.Conn, ours *conn) { ours.Close() }, 0},
		"a message before it": {func(theirs net.Conn, _ *conn) {
			io.WriteString(theirs, "message")
			time.Sleep(3 * time.Second)
			theirs.Close()
		}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs, plain := net.Pipe()
				var counts Counts
				ours := newConn(plain, &counts, &carried{})
				read := make(chan error)
				go func() {
					_, err := io.Copy(io.Discard, ours)
					read <- err
				}()
				io.WriteString(theirs, "hello")
				time.Sleep(30 * time.Second)
				c.end(theirs, ours)
				<-read
				all := counts.silences.all
				if len(all) != map[bool]int{true: 1}[c.want > 0] || len(all) > 0 && all[0].lasts != c.want {
					t.Errorf("%v, want a silence of %v", all, c.want)
				}
			})
		})
	}
}

// TestSilencesAreFew ends more connections than are noted.
func TestSilencesAreFew(t *testing.T) {
	var s silences
	for range mostSilences + 10 {
		s.ended(fmt.Errorf("reading: %w", syscall.ECONNRESET), time.Minute)
	}
	s.ended(io.ErrClosedPipe, time.Minute)
	s.ended(io.EOF, time.Millisecond)
	if len(s.all) != mostSilences {
		t.Errorf("%d are noted, want %d", len(s.all), mostSilences)
	}
}
