package transports

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Request is a kind of request that a user makes.
type Request int8

const (
	Poll      Request = iota // a GET for messages
	Send                     // a POST of a message
	Handshake                // a GET that opens a WebSocket; on other streams, after an answer that doesn't open them
	SendKeyed                // a POST of a message with a key, which can be sent again even if it may be stored
)

// A Step is what a user does after an answer.
type Step int8

const (
	// Stop gives up: asking again can't help. A user stops receiving or joining. A message is not sent
	// again, as it can't be stored, or may have been stored already; the next one is sent.
	Stop Step = iota

	// Proceed takes the answer for the one that was asked for.
	Proceed

	// Repeat makes the same request again in the same session, after a wait: the server has not acted
	// on it.
	Repeat

	// Rejoin joins the next server and reads on from the cursor.
	Rejoin

	// Return is Rejoin for a user that this address has served before, and Stop for any other one.
	Return
)

// A rule is what a user does after an answer with one status code.
type rule struct {
	poll, send, handshake Step

	doubt  bool   // a message may be stored or not: with a key it is sent again
	later  bool   // with a Retry-After it is a matter of time: Repeat, whatever was asked
	spent  bool   // the connection must not be used again
	advice string // what a person can do; empty: the status says enough
}

// step returns what a user does after an answer to r.
func (u rule) step(r Request) Step {
	if r == SendKeyed {
		if u.doubt {
			return Repeat
		}
		r = Send
	}
	return [...]Step{u.poll, u.send, u.handshake}[r]
}

// rules are the rules for the codes that differ from their class. The sections are those of RFC 9110
// unless another document is named. A message is sent again only if the server can't have stored it.
var rules = map[int]rule{
	101: {handshake: Proceed}, // 15.2.2: the protocol that a handshake asks for; nobody else asks for one

	200: {poll: Proceed, send: Proceed, advice: adviceUpgrade}, // 15.3.1
	202: {},                                                    // 15.3.3: the message may be stored later, or never
	204: {poll: Proceed, send: Proceed},                        // 15.3.5: nothing new, or stored without a word
	205: {send: Proceed},                                       // 15.3.6: as 204, and a form to be cleared
	206: {},                                                    // 15.3.7: no part was asked for
	207: {},                                                    // RFC 4918, 11.1: several answers in one, of which any may be an error

	304: {advice: "a cache answered: keep caches out of the way to the server"}, // 15.4.5: users ask without a condition

	401: {advice: "users need credentials that it takes"},                              // 15.5.2
	403: {advice: "it lets no user in: look at its rules for access"},                  // 15.5.4
	404: {poll: Return, handshake: Return, advice: "there is nothing at this address"}, // 15.5.5: gateways say so too while their server restarts
	405: {advice: adviceForeign},                                                       // 15.5.6
	406: {advice: "it has no event stream: " + adviceForeign},                          // 15.5.7: only the request for one says what it accepts
	407: {advice: "a proxy wants a name and a password: keep it out of the way"},       // 15.5.8

	// 15.5.9: the request has not arrived whole, so a message of it is not stored. The client may repeat
	// it; the connection is no longer used.
	408: {poll: Repeat, send: Repeat, handshake: Repeat, spent: true},

	413: {later: true, advice: "send smaller messages, or raise the limit of the server, or of a proxy in between: client_max_body_size in nginx"}, // 15.5.14

	// 15.5.20: this connection doesn't lead to the server that was meant. The client may repeat the
	// request on another one.
	421: {poll: Rejoin, send: Repeat, handshake: Rejoin, spent: true},

	425: {poll: Repeat, send: Repeat, handshake: Repeat}, // RFC 8470, 5.2: the request was not processed, as it came too early
	426: {advice: adviceUpgrade},                         // 15.5.22
	429: {poll: Repeat, send: Repeat, handshake: Repeat}, // RFC 6585, 4: too many requests

	501: {advice: adviceForeign}, // 15.6.2: it will never know how

	// 15.6.3 to 15.6.5: a gateway whose server is out of reach, or a server that can't serve now. The
	// message may have been stored before it failed, so it is not sent again, unless it has a key or the server of
	// a 503 says when to.
	502: {poll: Rejoin, handshake: Rejoin, doubt: true},
	503: {poll: Rejoin, handshake: Rejoin, doubt: true, later: true},
	504: {poll: Rejoin, handshake: Rejoin, doubt: true, advice: adviceTimeout},

	505: {advice: "users speak HTTP/1.1: is there a proxy that speaks an older one? nginx needs proxy_http_version 1.1"}, // 15.6.6
	506: {},                                                                                                              // RFC 2295, 8.1: the server is set up wrongly
	508: {},                                                                                                              // RFC 5842, 7.2: so it is here
	510: {},                                                                                                              // RFC 2774, 7: it wants an extension of HTTP
	511: {advice: "log in to the network that this machine is in"},                                                       // RFC 6585, 6: a portal answered, not the server
}

const (
	adviceUpgrade = "is there a proxy that doesn't pass WebSockets on? nginx needs proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection upgrade"
	adviceTimeout = "a proxy waited too long for the server: hold polls for less, as long-poll@20s does, or raise its limit, proxy_read_timeout in nginx, timeout server in HAProxy"
	adviceForeign = "is it a pushpull server?"
)

// classes are the rules for all other codes: one that isn't known means what the first code of its
// class means (RFC 9110, section 15).
var classes = [...]rule{
	1: {},                                // 15.2: preliminary, and no answer by itself
	2: {send: Proceed},                   // 15.3: done, but what a poll got is no list of messages
	3: {},                                // 15.4: users go where they were sent, and nowhere else
	4: {},                                // 15.5: the same request would fail again
	5: {poll: Rejoin, handshake: Rejoin}, // 15.6.1: the server failed, maybe after it has stored the message
}

// ruleOf returns the rule for a status code.
func ruleOf(code int) rule {
	if known, ok := rules[code]; ok {
		return known
	}
	if class := code / 100; 0 < class && class < len(classes) {
		return classes[class]
	}
	return rule{}
}

// StepAfter returns what a user does after an answer to r with that status code and no Retry-After.
func StepAfter(r Request, code int) Step { return ruleOf(code).step(r) }

// Spent reports whether the connection of an answer with that status code must not be used again.
func Spent(code int) bool { return ruleOf(code).spent }

// A StatusError is an answer other than the one asked for.
type StatusError struct {
	Code       int           // like 503
	Status     string        // like "503 Service Unavailable"
	Text       string        // the server's reason; empty: it gave none
	Advice     string        // what a person can do; empty: none is known
	RetryAfter time.Duration // how long the server asks to wait; 0: it doesn't say
}

func (e *StatusError) Error() string {
	text := "the server answered " + e.Status
	if e.Advice != "" {
		text += " (" + e.Advice + ")"
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Step returns what a user does after the error of r.
func (e *StatusError) Step(r Request) Step {
	if u := ruleOf(e.Code); !u.later || e.RetryAfter == 0 {
		return u.step(r)
	}
	return Repeat
}

// Limits reports whether the error says "not now": the server has work enough. Requests that fail so
// are repeated.
func (e *StatusError) Limits() bool {
	return e.Code == http.StatusTooManyRequests || e.Code == http.StatusServiceUnavailable && e.RetryAfter > 0
}

// LongestWait bounds every wait that a server asks for.
const LongestWait = 30 * time.Second

// retryAfter returns the wait that the header Retry-After asks for, at most LongestWait: a number of
// seconds, or a date (RFC 9110, section 10.2.3). It is 0 if the header is missing, makes no sense or
// names no time to come. A date counts from that of the response, as the clocks may differ, or from now.
func retryAfter(h http.Header, now time.Time) time.Duration {
	asked := strings.TrimSpace(h.Get("Retry-After"))
	if asked == "" {
		return 0
	}
	if strings.Trim(asked, "0123456789") == "" {
		seconds, err := strconv.ParseUint(asked, 10, 64)
		if err != nil { // more than 64 bits
			return LongestWait
		}
		return time.Duration(min(seconds, uint64(LongestWait/time.Second))) * time.Second
	}
	at, err := http.ParseTime(asked)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), LongestWait)
}

// AnswerError turns an unexpected response into an error: a *GapError for status 410 with the oldest
// place, else a *StatusError. It reads the body, up to 64 KB, so that its connection can be used again.
func AnswerError(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // after an error, the part that was read will do
	_, _ = io.CopyN(io.Discard, resp.Body, 60<<10)          // a page for people may be longer
	var said struct {
		Error  string
		Oldest uint64
	}
	if err := json.Unmarshal(data, &said); err != nil && len(data) > 0 {
		said.Error = fmt.Sprintf("%.200q", data)
	}
	if resp.StatusCode == http.StatusGone && said.Oldest > 0 {
		return &GapError{Oldest: said.Oldest}
	}
	advice := ruleOf(resp.StatusCode).advice
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		advice = "it redirects to " + place(to) + ", and users follow no redirect during a run: use that as the target"
	}
	return &StatusError{
		Code: resp.StatusCode, Status: resp.Status, Text: said.Error, Advice: advice,
		RetryAfter: retryAfter(resp.Header, time.Now()),
	}
}

// place returns the part of an address that stands for a server, which is the same for all rooms and
// holds no secrets, in quotes.
func place(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an unreadable address"
	}
	path, _, _ := strings.Cut(u.Path, "/rooms/")
	return fmt.Sprintf("%.200q", (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: path}).String())
}
