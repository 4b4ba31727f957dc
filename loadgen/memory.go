package loadgen

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"sync"
	"time"
)

// errFlooded ends a window whose users take too much memory. Each answer has a limit, but a server that sends every
// user one without end could still use up the machine's memory.
var errFlooded = errors.New("the answers of the server take too much memory")

// memoryLook is how often the memory is looked at. That takes some microseconds.
const memoryLook = 50 * time.Millisecond

// memoryFor returns how many bytes so many users may take, which is far more than they do on an honest server.
func memoryFor(users int) int64 { return 1<<30 + int64(users)*64<<10 }

// guardMemory calls end with errFlooded once the heap has grown by more than most bytes, and by more than garbage
// explains. stop must be called, and waits.
func guardMemory(most int64, end context.CancelCauseFunc) (stop func()) {
	limit := 2*heap() + most
	ending := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(memoryLook)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ending:
				return
			}
			if heap() > limit {
				end(fmt.Errorf("%w, more than %d MB: is it a chat server? use fewer users, or another server", errFlooded, most>>20))
				return
			}
		}
	})
	return func() {
		close(ending)
		running.Wait()
	}
}

// heap returns how many bytes the objects on the heap take, with those that the collector has not freed yet.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
