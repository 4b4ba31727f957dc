package rules_test

import (
	"net/http"
	"strings"
	"testing"

	"pushpull/transports/dialect"
)

// body is a message of the usual size.
var body = []byte("pushpull 12 34 1234567890 1234568901 " + strings.Repeat(".", 63))

// A unitOf is a unit with a message of body on a way of a server.
type unitOf struct {
	server, transport string
	unit              dialect.Unit
}

func unitsOf() []unitOf {
	header := http.Header{
		"Content-Type": {"text/plain"}, "Last-Modified": {"Wed, 25 Nov 2026 03:28:08 GMT"}, "Etag": {"0"},
	}
	text := func(before, after string) []byte { return []byte(before + string(body) + after) }
	return []unitOf{
		{"nchan", "long-poll", dialect.Unit{Kind: dialect.Answered, Status: 200, Header: header, Body: body}},
		{"nchan", "sse", dialect.Unit{Kind: dialect.Event, ID: "1795577288:0", Body: body}},
		{"nchan", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text("id: 1795577302:0\ncontent-type: text/plain\n\n", "")}},
		{"centrifugo", "sse", dialect.Unit{Kind: dialect.Event, Body: text(`{"channel":"room1","pub":{"data":"`, `","offset":2}}`)}},
		{"socketio", "long-poll", dialect.Unit{Kind: dialect.Answered, Status: 200, Body: text(`42["msg","`, `"]`)}},
		{"socketio", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text(`42["msg","`, `"]`)}},
		{"socketio-recovery", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text(`42["msg","`, `","Q8GlvQR.0"]`)}},
		{"faye", "long-poll", dialect.Unit{Kind: dialect.Answered, Status: 200, Body: text(`[{"channel":"/room1","data":"`, `","id":"9"}]`)}},
		{"faye", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text(`[{"channel":"/room1","data":"`, `","id":"7"}]`)}},
		{"sockjs", "long-poll", dialect.Unit{Kind: dialect.Answered, Status: 200, Body: text(`a["{\"body\":\"`, `\"}"]`+"\n")}},
		{"sockjs", "sse", dialect.Unit{Kind: dialect.Event, Body: text(`a["{\"body\":\"`, `\"}"]`)}},
		{"sockjs", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text(`a["{\"body\":\"`, `\"}"]`)}},
		{"apigateway", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text(`{"body":"`, `"}`)}},
		{"mercure", "sse", dialect.Unit{Kind: dialect.Event, ID: "urn:uuid:5e94c686-2c0b-4f9b-958c-92ccc3bbb4eb", Body: body}},
		{"ntfy", "sse", dialect.Unit{Kind: dialect.Event, Body: text(`{"id":"hwQ2YpKdmg","time":1635528741,"event":"message","topic":"room1","message":"`, `"}`)}},
		{"centrifugo", "websocket", dialect.Unit{Kind: dialect.Frame, Body: text(`{"push":{"channel":"room1","pub":{"data":"`, `","info":{"user":"","client":"76732b19-3cf0-4632-bd8c-019ce2a3e26e"},"offset":3}}}`)}},
	}
}

// speak begins the conversation.
func (of unitOf) speak(b *testing.B) *talk {
	b.Setenv("MERCURE_TOKEN", "token")
	return speak(b, server(b, of.server), of.transport, "")
}

// BenchmarkHear measures what a message costs a user that hears it.
func BenchmarkHear(b *testing.B) {
	for _, of := range unitsOf() {
		b.Run(of.server+"/"+of.transport, func(b *testing.B) {
			u := of.speak(b)
			b.ReportAllocs()
			for b.Loop() {
				u.heard.Reset()
				if err := u.Hear(of.unit, &u.heard); err != nil || len(u.heard.Messages) != 1 || string(u.heard.Messages[0]) != string(body) {
					b.Fatal(u.heard.Messages, err)
				}
			}
		})
	}
}

// BenchmarkSay measures what a message costs a user that says it, and BenchmarkAsk what a poll costs.
func BenchmarkSay(b *testing.B) {
	for _, of := range unitsOf() {
		b.Run(of.server+"/"+of.transport, func(b *testing.B) {
			u := of.speak(b)
			b.ReportAllocs()
			for n := uint64(1); b.Loop(); n++ {
				if u.Say(n, body).Body == nil {
					b.Fatal("nothing is said")
				}
			}
		})
	}
}

func BenchmarkAsk(b *testing.B) {
	for _, of := range unitsOf() {
		b.Run(of.server+"/"+of.transport, func(b *testing.B) {
			u := of.speak(b)
			b.ReportAllocs()
			for b.Loop() {
				if u.Ask().Method == "" {
					b.Fatal("nothing is asked")
				}
			}
		})
	}
}

// BenchmarkSpeak measures what a conversation costs that hears, says and asks once: its B/op are the memory of a user,
// and what became garbage.
func BenchmarkSpeak(b *testing.B) {
	for _, of := range unitsOf() {
		b.Run(of.server+"/"+of.transport, func(b *testing.B) {
			b.Setenv("MERCURE_TOKEN", "token")
			d := server(b, of.server)
			var way dialect.Way
			for _, w := range d.Ways() {
				if w.Transport == of.transport {
					way = w
				}
			}
			var h dialect.Heard
			b.ReportAllocs()
			for b.Loop() {
				s, err := d.Speak(way, "room1", "")
				if err == nil {
					h.Reset()
					err = s.Hear(of.unit, &h)
				}
				if err != nil {
					b.Fatal(err)
				}
				s.Say(1, body)
				s.Ask()
			}
		})
	}
}
