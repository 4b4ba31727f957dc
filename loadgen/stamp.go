package loadgen

import (
	"bytes"
	"strconv"
	"time"
)

// A Stamp is the beginning of the body of each message of a simulated user. It identifies the message:
//
//	pushpull USER NUMBER INTENDED ACTUAL ....
//
// Dots fill the body up to its size.
type Stamp struct {
	User     int           // the sender
	Number   int           // of the sender's messages, from 0
	Intended time.Duration // the planned time of sending, from the start of the window, to the nanosecond
	Actual   time.Duration // the time at which it was handed to the transport, likewise
}

const stampMark = "pushpull "

// minSize is the smallest size of a message: the stamps of every valid scenario are shorter.
const minSize = 64

// appendTo appends a body of the given size.
func (s Stamp) appendTo(buf []byte, size int) []byte {
	from := len(buf)
	buf = append(buf, stampMark...)
	buf = strconv.AppendInt(buf, int64(s.User), 10)
	buf = strconv.AppendInt(append(buf, ' '), int64(s.Number), 10)
	buf = strconv.AppendInt(append(buf, ' '), int64(s.Intended), 10)
	buf = strconv.AppendInt(append(buf, ' '), int64(s.Actual), 10)
	buf = append(buf, ' ')
	for len(buf)-from < size {
		buf = append(buf, '.')
	}
	return buf
}

// ParseStamp reads the stamp of a body. It returns false if there is none.
func ParseStamp(body []byte) (Stamp, bool) {
	rest, ok := bytes.CutPrefix(body, []byte(stampMark))
	var n [4]int64
	for i := range n {
		field, after, found := bytes.Cut(rest, []byte(" "))
		v, err := strconv.ParseInt(string(field), 10, 64)
		ok = ok && found && err == nil && v >= 0
		n[i], rest = v, after
	}
	return Stamp{int(n[0]), int(n[1]), time.Duration(n[2]), time.Duration(n[3])}, ok
}
