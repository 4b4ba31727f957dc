package transporttest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// sendOnce loses the acknowledgements of some messages, as the user's connections break once they are stored. The
// user sends them again on a new session, and the room gets each of them once. Sessions of foreign servers know no
// keys.
func sendOnce(t *testing.T, on stage) {
	store := &cuttingStore{Store: new(memory.Store)}
	var cursor transports.Cursor
	var want []string
	for i := range 3 {
		server := on.serve(t, store)
		body, key := fmt.Sprint("message ", i), transports.Key(fmt.Sprint("4.", i))
		u := server.Join("room", cursor)
		if _, ok := u.Session.(transports.OnceSender); !ok {
			return
		}
		store.cut = func() {
			server.network.Refuse() // first, or a poll could reconnect
			u.Conns.cut()
		}
		if err := u.SendOnce(body, key); err == nil {
			t.Errorf("message %d is acknowledged on a connection that is broken", i)
		}
		_ = u.End()
		cursor = u.Cursor()
		server.Stop()

		store.cut = nil
		server = on.serve(t, store)
		u = server.Join("room", cursor)
		for range 2 {
			if err := u.SendOnce(body, key); err != nil {
				t.Errorf("sending message %d again: %v", i, err)
			}
		}
		if err := u.Send("without a key"); err != nil {
			t.Error(err)
		}
		want = append(want, body, "without a key")
		all := server.Join("room", "")
		all.Wait(len(want))
		time.Sleep(time.Minute)
		same(t, "the room", all.Bodies(), want)
		cursor = all.Cursor()
		server.Stop()
	}
}

// A cuttingStore breaks connections once a message is stored.
type cuttingStore struct {
	transports.Store
	cut func() // nil: they stay
}

func (c *cuttingStore) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	seq, err := c.Store.Append(ctx, room, body, key)
	if c.cut != nil {
		c.cut()
	}
	return seq, err
}
