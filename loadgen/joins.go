package loadgen

import (
	"sync"
	"time"

	"pushpull/loadgen/result"
)

// joins takes note of what it takes users to join, or to join again. It is safe for concurrent use; its zero value is
// ready.
type joins struct {
	mu  sync.Mutex
	all result.Joins
}

// add takes note of a user that could get a message after a time, and has made connections that carried some bytes.
func (j *joins) add(ready time.Duration, connections, bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.all.Ready == nil {
		j.all.Ready = result.NewHistogram()
	}
	j.all.Users++
	j.all.Ready.Record(ready)
	j.all.Connections += connections
	j.all.Bytes += bytes
}

// result returns what was noted; nil if nobody joined. The users have left.
func (j *joins) result() *result.Joins {
	if j.all.Users == 0 {
		return nil
	}
	return &j.all
}
