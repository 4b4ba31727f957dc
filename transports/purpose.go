package transports

import (
	"context"
	"net/http"
)

// A Purpose says what a request is for, where its method doesn't say it, as with servers that are polled by POST.
type Purpose struct {
	Request Request
	Once    bool // a GET that must not be sent again on another connection, as the server may have acted on it
	Stream  bool // of a Handshake: the answer is the stream itself, which has no end
}

// For returns a copy of ctx for requests with a purpose. An http.RoundTripper that counts requests or repeats
// them, as that of package wire does, asks PurposeOf.
func For(ctx context.Context, p Purpose) context.Context {
	return context.WithValue(ctx, purposeKey{}, p)
}

// PurposeOf returns the purpose of a request. given is false if only its method says what it is for: a POST
// sends, everything else polls or opens a stream.
func PurposeOf(req *http.Request) (p Purpose, given bool) {
	if p, given = req.Context().Value(purposeKey{}).(Purpose); given {
		return p, true
	}
	if req.Method == http.MethodPost {
		return Purpose{Request: Send}, false
	}
	return Purpose{Request: Poll}, false
}

type purposeKey struct{}

// An Emptier is the Body of an answer to a poll, of an http.RoundTripper that counts answers without a message.
// The status 204 or 304 says that an answer holds none; of other answers the user's side of a transport says it.
type Emptier interface {
	Empty() // must be called before Close
}
