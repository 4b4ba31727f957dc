package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"pushpull/transports"
)

// TestFraming reads what HTTP/1.1 allows, twice: the right text comes, and the connection is kept only
// if the end of the answer is certain.
func TestFraming(t *testing.T) {
	long := strings.Repeat("x", 3*responseBuffer)
	for _, c := range []struct {
		name, answer, body string
		connections        int64 // for two requests: 1 if it is kept
	}{
		{"nothing new, with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", 1},
		{"not modified, with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", 1},
		{"not modified, with a coding", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: gzip\r\n\r\n", "", 1},
		{"one length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello", 1},
		{"one length, as a list", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "hello", 1},
		{"a length beside chunks", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", 2},
		{"chunks in another case", "HTTP/1.1 200 OK\r\ntRANSFER-eNCODING: CHUNKED \r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", 1},
		{"leading zeros of a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0005 ; a=b\r\nhello\r\n00\r\n\r\n", "hello", 1},
		{"a long extension of a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=" + long + "\r\nhello\r\n0;b=" + long + "\r\n\r\n", "hello", 1},
		{"a long trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: " + long + "\r\nB: " + long + "\r\n\r\n", "hello", 1},
		{"more than the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nx", "hello", 2},
		{"a folded header", "HTTP/1.1 200 OK\r\nX-Long: a\r\n b\r\nContent-Length: 5\r\n\r\nhello", "hello", 1},
		{"names in another case", "HTTP/1.1 200 OK\r\ncONTENT-lENGTH: 5\r\nCONNECTION: Keep-Alive\r\n\r\nhello", "hello", 1},
		{"a list that closes", "HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\nContent-Length: 5\r\n\r\nhello", "hello", 2},
		{"two lists, one closes", "HTTP/1.1 200 OK\r\nConnection: foo\r\nConnection: bar ,close\r\nContent-Length: 5\r\n\r\nhello", "hello", 2},
		{"HTTP/1.0 with a list that keeps", "HTTP/1.0 200 OK\r\nConnection: foo, Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", "hello", 1},
		{"HTTP/1.0 that keeps without a length", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", "hello", 2},
		{"to the end of the connection", "HTTP/1.1 200 OK\r\n\r\nhello", "hello", 2},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello", 1},
		{"a later HTTP/1", "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 1},
		{"lines without CR", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", 1},
		{"no content coding", "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 5\r\n\r\nhello", "hello", 1},
		{"a coded error", "HTTP/1.1 503 Busy\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00\x00", "a body encoded as gzip", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := peers(t, func(p *peer) {
				for p.next() != nil {
					if p.say(c.answer); c.connections > 1 && !strings.Contains(strings.ToLower(c.answer), "length") {
						return
					}
				}
			})
			pool := newPool(t, base)
			for range 2 {
				resp, body, err := ask(t, pool, base, http.MethodGet, "")
				if err != nil || body != c.body {
					t.Fatalf("got %v %.40q, %v, want %q", resp, body, err, c.body)
				}
			}
			if got := pool.Dialer.Counts.Total().Connections; got != c.connections {
				t.Errorf("%d connections, want %d", got, c.connections)
			}
		})
	}
}

// TestRefusedAnswers gets one clear error for each, and keeps no connection.
func TestRefusedAnswers(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", `it begins with "SSH-2.0-OpenSSH_9.2", which is no answer of HTTP/1.1`},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", `it begins with "HTTP/2.0 200 OK", which is no answer of HTTP/1.1`},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "which is no answer"},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "which is no answer"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", `"-5" is no Content-Length`},
		{"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", `"+5" is no Content-Length`},
		{"an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", `"" is no Content-Length`},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", `"5, 6" is no Content-Length`},
		{"a coding below the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", `encoded as "gzip, chunked"`},
		{"chunks twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", `encoded as "chunked, chunked"`},
		{"HTTP/1.0 in chunks", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "has no Transfer-Encoding"},
		{"a content coding", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", `encoded the body of its answer as "br"`},
		{"a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "asked for no other protocol"},
		{"a chunk with a sign", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", `"+5" is not the beginning of a chunk`},
		{"a chunk that is too short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", `"o" is not the beginning of a chunk`},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "unexpected EOF"},
		{"no end of the trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n", "unexpected EOF"},
		{"an end within an interim answer", "HTTP/1.1 103 Early Hints\r\nLink: a", "unexpected EOF"},
		{"a long body, announced", "HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", "the body of the server's answer is longer than 16 MiB"},
		{"a length beyond numbers", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "is no Content-Length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := peers(t, func(p *peer) {
				p.next()
				p.say(c.answer)
			})
			pool := newPool(t, base)
			resp, body, err := ask(t, pool, base, http.MethodGet, "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v %q, %v, want %q", resp, body, err, c.want)
			}
			if n := pool.waiting(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// TestEndlessAnswers has servers that never end an answer: a user reads no more than the limit.
func TestEndlessAnswers(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	piece := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name, begin, again string
		limit              LimitError
	}{
		{"status", "HTTP/1.1 200 ", piece, LimitError{"head", headLimit}},
		{"line of garbage", "", piece, LimitError{"head", headLimit}},
		{"name of a header", "HTTP/1.1 200 OK\r\n", piece, LimitError{"head", headLimit}},
		{"value of a header", "HTTP/1.1 200 OK\r\nA: ", piece, LimitError{"head", headLimit}},
		{"folded header", "HTTP/1.1 200 OK\r\nA: b\r\n", " c\r\n", LimitError{"head", headLimit}},
		{"headers", "HTTP/1.1 200 OK\r\n", "A: " + piece + "\r\n", LimitError{"head", headLimit}},
		{"interim answers", "", "HTTP/1.1 103 Early Hints\r\n\r\n", LimitError{"head", headLimit}},
		{"body", "HTTP/1.1 200 OK\r\n\r\n", piece, LimitError{"body", bodyLimit}},
		{"chunks", chunked, "3e8\r\n" + piece + "\r\n", LimitError{"body", bodyLimit}},
		{"small chunks", chunked, strings.Repeat("a\r\n0123456789\r\n", 100), LimitError{"body", bodyLimit}},
		{"chunk", chunked + "fffffffffff\r\n", piece, LimitError{"body", bodyLimit}},
		{"extension of a chunk", chunked + "5;a=", piece, LimitError{"body", bodyLimit}},
		{"trailer", chunked + "0\r\n", "A: " + piece + "\r\n", LimitError{"body", bodyLimit}},
		{"line of a trailer", chunked + "0\r\n", piece, LimitError{"body", bodyLimit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := peers(t, func(p *peer) {
				p.next()
				p.say(c.begin)
				again := strings.Repeat(c.again, 1+64<<10/len(c.again))
				for err := error(nil); err == nil; {
					_, err = io.WriteString(p, again)
				}
			})
			pool := newPool(t, base)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := pool.RoundTrip(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if limit, ok := errors.AsType[*LimitError](err); !ok || *limit != c.limit {
				t.Errorf("it ended with %v, want %v", err, &c.limit)
			}
			if n := pool.Dialer.Counts.Total().BytesIn; n > headLimit+c.limit.Bytes {
				t.Errorf("%d bytes are read", n)
			}
			if n := pool.waiting(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// TestLongestAnswers reads answers that are exactly as long as the limits.
func TestLongestAnswers(t *testing.T) {
	const end = "\r\nContent-Length: 16777216\r\n\r\n"
	head := "HTTP/1.1 200 OK\r\nA: "
	head += strings.Repeat("x", headLimit-len(head)-len(end)) + end
	base := answering(t, head+strings.Repeat("y", bodyLimit))
	pool := newPool(t, base)
	for range 2 {
		if _, body, err := ask(t, pool, base, http.MethodGet, ""); err != nil || len(body) != bodyLimit {
			t.Fatalf("read %d bytes, %v", len(body), err)
		}
	}
	if got := pool.Dialer.Counts.Total(); got.Connections != 1 || got.BytesIn != 2*(headLimit+bodyLimit) {
		t.Errorf("%d connections and %d bytes, want 1 and %d", got.Connections, got.BytesIn, 2*(headLimit+bodyLimit))
	}
}

// strays arrive on idle connections. Each would pass for the answer of the next request.
var strays = map[string]string{
	"an answer":              "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nstray",
	"a timeout":              "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"an interim answer":      "HTTP/1.1 100 Continue\r\n\r\n",
	"a byte":                 "\n",
	"longer than the buffer": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*responseBuffer) + "\r\nContent-Length: 5\r\n\r\nstray",
}

// TestStrays has bytes arrive on an idle connection: it is closed, and the request goes out on another
// one. Over TLS they may have come in the record of the answer before.
func TestStrays(t *testing.T) {
	const answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
	for name, stray := range strays {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, when := range []string{"at first", "later", "along with an answer"} {
				for _, secure := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/TLS=%t", name, method, when, secure), func(t *testing.T) {
						t.Parallel()
						sent, arrived := make(chan struct{}), make(chan struct{})
						serve := func(p *peer) {
							if p.number == 0 && when == "at first" {
								p.say(stray)
								close(sent)
							}
							for n := 0; p.next() != nil; n++ {
								if p.number > 0 || n > 0 || when == "at first" {
									p.say(answer)
									continue
								}
								if when == "later" {
									p.say(answer)
									<-arrived
									p.say(stray)
								} else {
									p.say(answer + stray)
								}
								close(sent)
							}
						}
						base, pool := securePeers(t, secure, serve)
						if err := pool.Open(t.Context()); err != nil {
							t.Fatal(err)
						}
						if when != "at first" {
							if _, text, err := ask(t, pool, base, method, ""); err != nil || text != "ok" {
								t.Fatalf("got %q, %v", text, err)
							}
						}
						close(arrived)
						<-sent
						for range 2 {
							resp, text, err := ask(t, pool, base, method, "")
							if err != nil || resp.StatusCode != http.StatusCreated || text != "ok" {
								t.Fatalf("got %v %q, %v", resp, text, err)
							}
						}
						if got := pool.Dialer.Counts.Total(); got.Connections != 2 {
							t.Errorf("%d connections, want 2", got.Connections)
						}
					})
				}
			}
		}
	}
}

// TestEarlyAnswer has the server refuse a message before it has read all of it, and close: the answer
// counts, though the rest can't be written.
func TestEarlyAnswer(t *testing.T) {
	base := peers(t, func(p *peer) {
		io.ReadFull(p, make([]byte, 1000))
		p.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo long")
		p.Conn.(*net.TCPConn).CloseWrite()
		io.CopyN(io.Discard, p, 100_000)
	})
	pool := newPool(t, base)
	for range 2 {
		resp, text, err := ask(t, pool, base, http.MethodPost, strings.Repeat("x", 8<<20))
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || text != "too long" {
			t.Fatalf("got %v %q, %v, want the answer", resp, text, err)
		}
	}
	if got := pool.Dialer.Counts.Total(); got.Connections != 2 || got.Posts != 2 || pool.waiting() != 0 {
		t.Errorf("%d connections and %d posts, %d connections kept; want 2, 2 and none", got.Connections, got.Posts, pool.waiting())
	}
}

// TestNoAnswerToHalf has the server close in the middle of a message: no answer, and the message can't
// be taken for unsent.
func TestNoAnswerToHalf(t *testing.T) {
	base := peers(t, func(p *peer) { io.ReadFull(p, make([]byte, 1000)) })
	pool := newPool(t, base)
	_, _, err := ask(t, pool, base, http.MethodPost, strings.Repeat("x", 8<<20))
	if !errors.Is(err, ErrStale) || errors.Is(err, transports.ErrUnsent) {
		t.Errorf("it ended with %v, want %v", err, ErrStale)
	}
}
