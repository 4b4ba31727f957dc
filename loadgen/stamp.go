package loadgen

import (
	"bytes"
	"strconv"
	"time"
)

// A stamp is what a message says of itself, at the beginning of its body:
//
//	pushpull USER NUMBER INTENDED ACTUAL ....
//
// with both times in nanoseconds from the start of the window. Dots fill up the size.
type stamp struct {
	user, number     int
	intended, actual time.Duration
}

const stampMark = "pushpull "

// minSize is the least size of a message: the longest stamp that a scenario within its bounds
// can have is shorter.
const minSize = 64

// appendTo appends a body of the given size.
func (s stamp) appendTo(buf []byte, size int) []byte {
	from := len(buf)
	buf = append(buf, stampMark...)
	buf = strconv.AppendInt(buf, int64(s.user), 10)
	buf = strconv.AppendInt(append(buf, ' '), int64(s.number), 10)
	buf = strconv.AppendInt(append(buf, ' '), int64(s.intended), 10)
	buf = strconv.AppendInt(append(buf, ' '), int64(s.actual), 10)
	buf = append(buf, ' ')
	for len(buf)-from < size {
		buf = append(buf, '.')
	}
	return buf
}

// parseStamp reads the stamp of a body; false when it has none.
func parseStamp(body []byte) (stamp, bool) {
	rest, ok := bytes.CutPrefix(body, []byte(stampMark))
	var n [4]int64
	for i := range n {
		field, after, found := bytes.Cut(rest, []byte(" "))
		v, err := strconv.ParseInt(string(field), 10, 64)
		ok = ok && found && err == nil && v >= 0
		n[i], rest = v, after
	}
	return stamp{int(n[0]), int(n[1]), time.Duration(n[2]), time.Duration(n[3])}, ok
}

// ParseStamp returns what a message of a simulated user says of itself: who sent it, which of the
// sender's messages it is, from 0, and when it was sent, from the start of the window. It returns
// false for any other message. A server of known behaviour goes by it.
func ParseStamp(body []byte) (user, number int, sent time.Duration, ok bool) {
	s, ok := parseStamp(body)
	return s.user, s.number, s.actual, ok
}
