package transporttest

import (
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// OneReadForEachMessage tests a transport whose readers the store wakes: the members of a room share
// one read of the store for each message, and one when they join, however long they wait.
func OneReadForEachMessage(t *testing.T, transport transports.Transport) {
	oneReadForEachMessage(t, transport, 0)
}

// OneReadForEachMessageAndJoin is OneReadForEachMessage for a transport that also reads the store once for each
// user that joins.
func OneReadForEachMessageAndJoin(t *testing.T, transport transports.Transport) {
	oneReadForEachMessage(t, transport, 1)
}

func oneReadForEachMessage(t *testing.T, transport transports.Transport, joining int64) {
	const n, members = 10, 5
	for name, network := range networks() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &countingStore{Store: new(memory.Store)}
				server := ServeOn(t, network(), transport, store)
				var users []*User
				for range members {
					users = append(users, server.Join("room", ""))
				}
				for range n {
					time.Sleep(7 * time.Second)
					if _, err := store.Append(t.Context(), "room", []byte("hello"), ""); err != nil {
						t.Fatal(err)
					}
				}
				for _, u := range users {
					u.Wait(n)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if got, want := store.reads.Load(), n+1+members*joining; got != want {
					t.Errorf("%d reads for %d messages and %d members, want %d", got, n, members, want)
				}
			})
		})
	}
}
