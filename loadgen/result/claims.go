package result

import (
	"errors"
	"fmt"
)

// Claims are what a measurement of claims has chosen, and what it has found beside the results of its points.
type Claims struct {
	Names   []string  `json:"names"`             // of the claims, in order
	Quick   bool      `json:"quick,omitempty"`   // with a fraction of the users and of the time
	Browsed []Browsed `json:"browsed,omitempty"` // by a real browser; empty: there was none, or no claim needed it
	Lacking string    `json:"lacking,omitempty"` // why nothing was browsed, in one line; empty: it was, or no claim needed it
}

// Browsed is how many streams to one host a page in a real browser could keep open.
type Browsed struct {
	Browser string `json:"browser"` // its name and version
	By      string `json:"by"`      // what opened the streams: ByEventSource or ByWebSocket
	HTTP    string `json:"http"`    // version that the server speaks, like "1.1"
	TLS     bool   `json:"tls"`

	Asked    int  `json:"asked"`    // streams that the page asked for
	Opened   int  `json:"opened"`   // of them, those that opened
	Received int  `json:"received"` // of them, those that received a message sent to their room
	Blocked  bool `json:"blocked"`  // meanwhile another request of the page to that host got no answer
}

// What opens a stream in a browser.
const (
	ByEventSource = "EventSource"
	ByWebSocket   = "WebSocket"
)

// checkClaims returns an error if the claims of the index can't be used.
func (x *Index) checkClaims() error {
	switch c := x.Claims; {
	case c == nil && x.Kind == KindClaims:
		return errors.New("it lacks the claims that were measured")
	case c == nil:
		return nil
	case x.Kind != KindClaims:
		return fmt.Errorf("it has claims, and its kind is %.40q", x.Kind)
	default:
		for _, b := range c.Browsed {
			if !(0 <= b.Received && b.Received <= b.Opened && b.Opened <= b.Asked && heads.holds(float64(b.Asked))) {
				return errors.New("what a browser opened can't be true")
			}
		}
		return nil
	}
}
