package loadgen

import (
	"bytes"
	"math"
	"testing"
	"time"
)

// longest is the longest stamp in any valid scenario: the last message of the last user, with as many
// of both as can be, planned for the end of the longest window and sent at the end of its drain.
var longest = Stamp{maxUsers - 1, maxSends - 1, 2*maxDuration - 1, 3*maxDuration + time.Hour}

func TestStampRoundTrip(t *testing.T) {
	for _, s := range []Stamp{
		{},
		{1, 2, 3, 4},
		{199, 12, 4*time.Second + 17, 4*time.Second + 1017},
		longest,
	} {
		for _, size := range []int{minSize, 100, maxSize} {
			body := s.appendTo(nil, size)
			if len(body) != size {
				t.Errorf("%+v makes %d bytes, want %d", s, len(body), size)
			}
			if got, ok := ParseStamp(body); !ok || got != s {
				t.Errorf("%q is parsed as %+v, %t, want %+v", body[:minSize], got, ok, s)
			}
		}
	}
}

func TestStampIsAppended(t *testing.T) {
	s := Stamp{1, 2, 3, 4}
	body := s.appendTo([]byte("before "), minSize)
	if rest, ok := bytes.CutPrefix(body, []byte("before ")); !ok || len(rest) != minSize {
		t.Errorf("%q: want %d bytes after what was there", body, minSize)
	}
}

func TestStampOfOthers(t *testing.T) {
	for _, body := range []string{
		"", "pushpull", "pushpull ", "hello", "Pushpull 1 2 3 4 ",
		"pushpull 1 2 3", "pushpull 1 2 3 4", "pushpull 1 2 3 ",
		"pushpull  1 2 3 4 ", "pushpull -1 2 3 4 ", "pushpull 1 -2 3 4 ", "pushpull 1 2 -3 4 ", "pushpull 1 2 3 -4 ",
		"pushpull a 2 3 4 ", "pushpull 1 2 3 4. ", "pushpull 99999999999999999999 2 3 4 ", "pushpull 1\t2 3 4 ",
	} {
		if s, ok := ParseStamp([]byte(body)); ok {
			t.Errorf("%q is parsed as %+v", body, s)
		}
	}
}

func FuzzParseStamp(f *testing.F) {
	f.Add([]byte("pushpull 1 2 3 4 ...."))
	f.Add([]byte("pushpull -1 2 3 4 "))
	f.Add([]byte("pushpull 9223372036854775807 0 0 0 "))
	f.Add([]byte("hello"))
	f.Add(longest.appendTo(nil, minSize))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, ok := ParseStamp(body)
		if !ok {
			return
		}
		if s.User < 0 || s.Number < 0 || s.Intended < 0 || s.Actual < 0 {
			t.Fatalf("%q is parsed as %+v", body, s)
		}
		if int64(s.User) > math.MaxInt32 || int64(s.Number) > math.MaxInt32 {
			return // no plan has as many
		}
		if again, ok := ParseStamp(s.appendTo(nil, len(body))); !ok || again != s {
			t.Fatalf("%q is parsed as %+v, and after appendTo as %+v", body, s, again)
		}
	})
}
