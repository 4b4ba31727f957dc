package longpollscan_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/longpollscan"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTransport(t *testing.T) { transporttest.Run(t, longpollscan.Transport{}) }

// A message is delivered at the next scan: after one interval at most, half of it on average. The
// store is read at every scan, and once more at the beginning of each poll.
func TestLatency(t *testing.T) {
	const scan, n = 50 * time.Millisecond, 1000
	synctest.Test(t, func(t *testing.T) {
		store := &recordingStore{Store: new(memory.Store)}
		u := transporttest.Serve(t, longpollscan.Transport{}, store).Join("room", "")
		synctest.Wait() // for the first poll
		start := time.Now()
		var sent []time.Time
		for range n {
			time.Sleep(scan * 3618 / 1000) // spreads evenly over the interval
			sent = append(sent, time.Now())
			store.Append(t.Context(), "room", []byte("hello"), "")
		}
		var sum, longest time.Duration
		for i, d := range u.Wait(n) {
			if phase := d.At.Sub(start) % scan; phase != 0 {
				t.Fatalf("message %d came %v after a scan", i, phase)
			}
			latency := d.At.Sub(sent[i])
			sum += latency
			longest = max(longest, latency)
		}
		if mean := sum / n; mean < 24500*time.Microsecond || mean > 25500*time.Microsecond {
			t.Errorf("mean latency %v, want about %v", mean, scan/2)
		}
		if longest > scan || longest < scan*95/100 {
			t.Errorf("longest latency %v, want almost %v", longest, scan)
		}
		synctest.Wait()                                               // for the next poll
		if full, empty := answers(u.Conns); full != n || empty != 1 { // of joining
			t.Errorf("%d responses with messages and %d empty ones, want %d and 1", full, empty, n)
		}
		if reads, want := len(store.since(start)), 1+int(time.Since(start)/scan)+1+n; reads != want {
			t.Errorf("%d reads of the store, want %d", reads, want)
		}
	})
}

// In a quiet room there is one empty response per hold time, which user and server both limit, with
// one read at its beginning and one for each scan in it.
func TestHold(t *testing.T) {
	for _, test := range []struct {
		transport longpollscan.Transport
		hold      time.Duration // the real one, which the last scan ends
		reads     int           // per hold time
	}{
		{longpollscan.Transport{}, 30 * time.Second, 601},
		{longpollscan.Transport{Scan: time.Second}, 30 * time.Second, 31},
		{longpollscan.Transport{Scan: time.Second, Hold: 7 * time.Second}, 7 * time.Second, 8},
		{longpollscan.Transport{Scan: 2 * time.Second, Hold: 7 * time.Second}, 6 * time.Second, 4},
		{longpollscan.Transport{Scan: time.Hour, Hold: 7 * time.Second}, 7 * time.Second, 2},
		{longpollscan.Transport{Scan: time.Second, Hold: time.Hour}, time.Minute, 61},
		{longpollscan.Transport{Scan: time.Second, Hold: time.Hour, Limits: transports.Limits{Hold: 2 * time.Minute}}, 2 * time.Minute, 121},
		{longpollscan.Transport{Scan: time.Microsecond, Hold: time.Second, Limits: transports.Limits{MinScan: time.Microsecond}}, time.Second, 1001},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &recordingStore{Store: new(memory.Store)}
			u := transporttest.Serve(t, test.transport, store).Join("room", "")
			time.Sleep(10*test.hold + time.Microsecond)
			synctest.Wait()
			if full, empty := answers(u.Conns); full != 0 || empty != 1+10 { // one of joining
				t.Errorf("%d responses with messages and %d empty ones in 10 hold times of %v, want 0 and 11", full, empty, test.hold)
			}
			if reads, want := len(store.since(time.Time{})), 1+10*test.reads+1; reads != want { // joining and the eleventh poll read, too
				t.Errorf("%d reads of the store in 10 hold times of %v, want %d", reads, test.hold, want)
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
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.Base.String()+"/rooms/room/long-poll-scan?"+query, nil)
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

func TestAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recordingStore{Store: new(memory.Store)}
		server := transporttest.Serve(t, longpollscan.Transport{}, store)
		for _, test := range []struct {
			asked string
			took  time.Duration
			reads int
		}{
			{"after=0", 30 * time.Second, 601},
			{"after=0&hold=&scan=", 30 * time.Second, 601},
			{"after=0&hold=20s", 20 * time.Second, 401},
			{"after=0&hold=1h", time.Minute, 1201},
			{"after=0&scan=1s", 30 * time.Second, 31},
			{"after=0&scan=7s", 28 * time.Second, 5},
			{"after=0&scan=1m", 30 * time.Second, 2},
			{"after=0&scan=10ms&hold=2s", 2 * time.Second, 201},
			{"after=0&scan=50ms&hold=10ms", 10 * time.Millisecond, 2},
			{"after=0&hold=1ns", time.Nanosecond, 2},
			{"after=0&hold=0", 0, 1},
			{"after=0&hold=0&scan=10ms", 0, 1},
		} {
			resp, body, took := get(t, server, test.asked)
			if resp.StatusCode != http.StatusNoContent || resp.Header.Get(transports.NextCursor) != "0" || body != "" {
				t.Errorf("%s: %s, next %q, %q", test.asked, resp.Status, resp.Header.Get(transports.NextCursor), body)
			}
			if reads := len(store.since(time.Time{})); took != test.took || reads != test.reads {
				t.Errorf("%s: held for %v, with %d reads of the store, want %v and %d", test.asked, took, reads, test.took, test.reads)
			}
		}
		for _, asked := range []string{"x", "-1s", "30", "NaN", "1e9h"} {
			for _, name := range []string{"hold", "scan"} {
				resp, body, took := get(t, server, name+"="+asked)
				if resp.StatusCode != http.StatusBadRequest || took != 0 || strings.Count(body, "\n") != 1 || !strings.HasPrefix(body, `{"error":"bad `+name) {
					t.Errorf("%s=%s: %s %q after %v", name, asked, resp.Status, body, took)
				}
			}
		}
		for _, asked := range []string{"1ns", "10us", "9999999ns", "0", "0s", "0&hold=0"} {
			resp, body, took := get(t, server, "after=0&scan="+asked)
			if resp.StatusCode != http.StatusBadRequest || took != 0 || !strings.Contains(body, "ask for scan=10ms or more, or lower --min-scan") {
				t.Errorf("scan=%s: %s %q after %v", asked, resp.Status, body, took)
			}
		}
		if reads := store.since(time.Time{}); len(reads) > 0 {
			t.Errorf("%d reads of the store for bad requests", len(reads))
		}
	})
}

// A read that takes longer than the scan interval skips scans, but doesn't shift them.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recordingStore{Store: new(memory.Store), first: 120 * time.Millisecond}
		server := transporttest.Serve(t, longpollscan.Transport{}, store)
		start := time.Now()
		get(t, server, "after=0&hold=300ms")
		want := []time.Duration{0, 150 * time.Millisecond, 200 * time.Millisecond, 250 * time.Millisecond, 300 * time.Millisecond}
		if reads := store.since(start); !slices.Equal(reads, want) {
			t.Errorf("reads at %v, want %v", reads, want)
		}
	})
}

// A stopping server answers held polls, with Connection: close.
func TestStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := transporttest.Serve(t, longpollscan.Transport{}, new(memory.Store))
		time.AfterFunc(3020*time.Millisecond, server.Stop) // between two scans
		resp, body, took := get(t, server, "after=0")
		if resp.StatusCode != http.StatusNoContent || !resp.Close || body != "" || took != 3020*time.Millisecond {
			t.Errorf("%s (close: %t) %q after %v", resp.Status, resp.Close, body, took)
		}
	})
}

func TestScanInterval(t *testing.T) {
	for _, test := range []struct {
		transport longpollscan.Transport
		want      time.Duration
	}{
		{longpollscan.Transport{}, 50 * time.Millisecond},
		{longpollscan.Transport{Scan: time.Second}, time.Second},
		{longpollscan.Transport{Scan: time.Microsecond}, time.Millisecond},
		{longpollscan.Transport{Scan: time.Hour}, 30 * time.Second},
		{longpollscan.Transport{Scan: time.Second, Hold: 20 * time.Millisecond}, 20 * time.Millisecond},
	} {
		if got := test.transport.Way().Scan; got != test.want {
			t.Errorf("%+v scans every %v, want %v", test.transport, got, test.want)
		}
	}
}
