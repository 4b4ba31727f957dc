package transporttest

import (
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// OneReadForEachMessage tests a transport whose server's side waits for the store: once woken it
// reads a message once, and nothing before or after it.
func OneReadForEachMessage(t *testing.T, transport transports.Transport) {
	const n = 10
	synctest.Test(t, func(t *testing.T) {
		store := &counter{Store: new(memory.Store)}
		u := Serve(t, transport, store).Join("room", "")
		for range n {
			time.Sleep(time.Second)
			if _, err := store.Append(t.Context(), "room", []byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		u.Wait(n)
		synctest.Wait()
		if got := store.reads.Load(); got != n {
			t.Errorf("%d reads for %d messages", got, n)
		}
	})
}
