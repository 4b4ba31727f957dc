package redis_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/redis"
	"pushpull/transports/store/storetest"
)

// TestPrune removes more rooms than Redis lists at once, and only those of its own prefix, whatever
// characters that has. A room whose places are no times stays.
func TestPrune(t *testing.T) {
	server := storetest.Redis(t)
	address := fresh(t, server)
	like := func(suffix string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("prefix", q.Get("prefix")+suffix)
		u.RawQuery = q.Encode()
		return u.String()
	}
	openAt := func(address string) *redis.Store {
		s, err := redis.Open(t.Context(), address, transports.StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	const rooms = 1200
	odd, other := openAt(like(`[a^?*\]`)), openAt(like("a"))
	for i := range rooms {
		for _, s := range []*redis.Store{odd, other} {
			if _, err := s.Append(t.Context(), fmt.Sprint("room ", i), nil, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	client, key := connect(t, like(`[a^?*\]`))
	do(t, client, "XADD", key("room:undated"), "0-5", "b", "")
	if pruned, err := odd.Prune(t.Context(), time.Now(), true); err != nil || pruned.Rooms < rooms || pruned.Messages < rooms {
		t.Errorf("dry: %+v, %v, want %d rooms", pruned, err, rooms)
	}
	if pruned, err := odd.Prune(t.Context(), time.Now(), false); err != nil || pruned.Rooms != rooms || pruned.Messages != rooms || pruned.Undated < 1 {
		t.Errorf("Prune = %+v, %v, want %d rooms, and one without times", pruned, err, rooms)
	}
	if pruned, err := other.Prune(t.Context(), time.Now(), true); err != nil || pruned.Rooms < rooms {
		t.Errorf("another prefix: %+v, %v, want %d rooms to be left", pruned, err, rooms)
	}
	if left, err := do(t, client, "XLEN", key("room:undated")).AsInt64(); left != 1 || err != nil {
		t.Errorf("the room without times has %d messages, %v", left, err)
	}
}

// A log that must exist is not created.
func TestPruneMissing(t *testing.T) {
	address := fresh(t, storetest.Redis(t))
	for range 2 {
		s, err := redis.Open(t.Context(), address, transports.StoreOptions{Existing: true})
		if err == nil {
			s.Close()
			t.Fatal("a log that must exist is created")
		}
		if !strings.Contains(err.Error(), "there is no log of pushpull") {
			t.Error(err)
		}
	}
}
