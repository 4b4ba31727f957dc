package longpoll_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/longpoll"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTransport(t *testing.T) { transporttest.Run(t, longpoll.Transport{}) }

// Messages are delivered at once, each with a poll of its own.
func TestLatency(t *testing.T) {
	const n = 100
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		u := transporttest.Serve(t, longpoll.Transport{}, store).Join("room", "")
		var sent []time.Time
		for range n {
			time.Sleep(7 * time.Second)
			sent = append(sent, time.Now())
			store.Append(t.Context(), "room", []byte("hello"), "")
		}
		for i, d := range u.Wait(n) {
			if latency := d.At.Sub(sent[i]); latency != 0 {
				t.Errorf("message %d took %v", i, latency)
			}
		}
		if full, empty := answers(u.Conns); full != n || empty != 1 { // of joining
			t.Errorf("%d responses with messages and %d empty ones, want %d and 1", full, empty, n)
		}
	})
}

// In a quiet room there is one empty response per hold time, which user and server both limit.
func TestHold(t *testing.T) {
	for _, test := range []struct {
		transport longpoll.Transport
		hold      time.Duration
	}{
		{longpoll.Transport{}, 30 * time.Second},
		{longpoll.Transport{Hold: 7 * time.Second}, 7 * time.Second},
		{longpoll.Transport{Hold: time.Hour}, time.Minute},
		{longpoll.Transport{Hold: time.Hour, Limits: transports.Limits{Hold: 2 * time.Minute}}, 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := transporttest.Serve(t, test.transport, new(memory.Store)).Join("room", "")
			time.Sleep(10*test.hold + time.Millisecond)
			synctest.Wait()
			if full, empty := answers(u.Conns); full != 0 || empty != 1+10 { // one of joining
				t.Errorf("%d responses with messages and %d empty ones in 10 hold times of %v, want 0 and 11", full, empty, test.hold)
			}
		})
	}
}

func answers(conns *transporttest.Conns) (full, empty int) {
	return conns.Answers(http.MethodGet, http.StatusOK), conns.Answers(http.MethodGet, http.StatusNoContent)
}

// get polls with query and returns the response, its body, and how long it took.
func get(t *testing.T, server *transporttest.Server, query string) (*http.Response, string, time.Duration) {
	t.Helper()
	target, conns := server.Target()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.Base.String()+"/rooms/room/long-poll?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	resp, err := conns.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body), time.Since(start)
}

func TestAskedHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := transporttest.Serve(t, longpoll.Transport{}, &memory.Store{First: 1})
		for asked, want := range map[string]time.Duration{
			"": 30 * time.Second, "0": 0, "0s": 0, "20s": 20 * time.Second, "1h": time.Minute,
		} {
			resp, body, took := get(t, server, "after=0&hold="+asked)
			if resp.StatusCode != http.StatusNoContent || resp.Header.Get(transports.NextCursor) != "0" || body != "" {
				t.Errorf("hold=%s: %s, next %q, %q", asked, resp.Status, resp.Header.Get(transports.NextCursor), body)
			}
			if took != want {
				t.Errorf("hold=%s: held for %v, want %v", asked, took, want)
			}
		}
		for _, asked := range []string{"x", "-1s", "30", "NaN", "1e9h"} {
			resp, body, took := get(t, server, "hold="+asked)
			if resp.StatusCode != http.StatusBadRequest || took != 0 || strings.Count(body, "\n") != 1 || !strings.HasPrefix(body, `{"error":"bad hold`) {
				t.Errorf("hold=%s: %s %q after %v", asked, resp.Status, body, took)
			}
		}
	})
}

// A stopping server answers held polls, with Connection: close.
func TestStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := transporttest.Serve(t, longpoll.Transport{}, new(memory.Store))
		time.AfterFunc(3*time.Second, server.Stop)
		resp, body, took := get(t, server, "after=0")
		if resp.StatusCode != http.StatusNoContent || !resp.Close || body != "" || took != 3*time.Second {
			t.Errorf("%s (close: %t) %q after %v", resp.Status, resp.Close, body, took)
		}
	})
}

func TestOneReadForEachMessageAndJoin(t *testing.T) {
	transporttest.OneReadForEachMessageAndJoin(t, longpoll.Transport{})
}
