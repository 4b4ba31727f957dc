package websocket_test

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sync"
	"testing"

	nhooyr "nhooyr.io/websocket"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
	"pushpull/transports/websocket"
)

// BenchmarkConnection measures the heap and stack memory of an idle connection: this package's
// client and the library's, each over net/http's client and with the server in the same process.
// The difference is what a simulated user saves.
func BenchmarkConnection(b *testing.B) {
	const n = 1000
	for _, client := range []struct {
		name string
		open func(ctx context.Context, t transports.Target) (iter.Seq[error], error)
	}{
		{"pushpull", func(ctx context.Context, t transports.Target) (iter.Seq[error], error) {
			session, err := websocket.Transport{}.Join(ctx, t, "room", "")
			return func(yield func(error) bool) {
				for _, err := range session.Messages(ctx) {
					yield(err)
				}
			}, err
		}},
		{"nhooyr", func(ctx context.Context, t transports.Target) (iter.Seq[error], error) {
			conn, _, err := nhooyr.Dial(ctx, t.RoomURL("room", websocket.Name).String(), &nhooyr.DialOptions{HTTPClient: &http.Client{Transport: t.HTTP}})
			return func(yield func(error) bool) {
				_, _, err := conn.Read(ctx)
				yield(err)
			}, err
		}},
	} {
		b.Run("client="+client.name, func(b *testing.B) {
			for b.Loop() {
				var serving sync.WaitGroup
				log := feed.New(new(memory.Store), 0)
				handler := websocket.Transport{}.Handler(log)
				mux := http.NewServeMux()
				mux.HandleFunc("GET /rooms/{room}/websocket", func(w http.ResponseWriter, r *http.Request) {
					serving.Add(1)
					defer serving.Done()
					handler.ServeHTTP(w, r)
				})
				server := httptest.NewServer(mux)
				base, err := url.Parse(server.URL)
				if err != nil {
					b.Fatal(err)
				}
				target := transports.Target{Base: base, HTTP: &http.Transport{}}
				ctx, leave := context.WithCancel(b.Context())
				before := inUse()
				ended := make(chan struct{})
				for range n {
					wait, err := client.open(ctx, target)
					if err != nil {
						b.Fatal(err)
					}
					go func() {
						for range wait { // drain until it ends
						}
						ended <- struct{}{}
					}()
				}
				b.ReportMetric(float64(inUse()-before)/n/1e3, "KB/connection")
				leave()
				for range n {
					<-ended
				}
				server.Close()
				serving.Wait()
				log.Close()
			}
		})
	}
}

// inUse returns the bytes in use by the heap and the stacks.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // frees what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
