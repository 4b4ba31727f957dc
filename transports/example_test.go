package transports_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/longpoll"
	"pushpull/transports/store/memory"
)

// Both sides of a transport: an endpoint serves the log of a room, and a client reads it from a cursor.
func Example() {
	log := feed.New(&memory.Store{First: 1}, 0)
	defer log.Close()
	mux := http.NewServeMux()
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	mux.Handle("GET /rooms/{room}/long-poll", longpoll.Transport{}.Handler(log))
	server := httptest.NewServer(mux)
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		panic(err)
	}

	ctx := context.Background()
	target := transports.Target{Base: base, HTTP: http.DefaultTransport}
	john, err := longpoll.Transport{}.Join(ctx, target, "kitchen", "") // from the start of the log
	if err != nil {
		panic(err)
	}
	defer john.Close()
	john.Send(ctx, []byte("Hello Mary"), func(err error) { fmt.Println("stored, error:", err) })
	for m, err := range john.Messages(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d: %s\n", m.Seq, m.Body)
		break
	}
	fmt.Println("read on from", john.Cursor())
	// Output:
	// stored, error: <nil>
	// 1: Hello Mary
	// read on from 1
}

// A transport says what it is, and nothing else is asked of it.
func ExampleWay() {
	way := longpoll.Transport{}.Way()
	fmt.Println(way.Title, "holds a request for", way.Hold)
	fmt.Println("asks on a timer:", way.Every > 0, "- is a stream:", way.Stream)
	// Output:
	// long polling holds a request for 30s
	// asks on a timer: false - is a stream: false
}
