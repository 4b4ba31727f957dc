package relay

import (
	"container/heap"
	"sync"
	"time"

	"pushpull/loadgen/alarm"
)

// A clock rings many goroutines, each at a time of its own. It has a goroutine and an alarm while anyone uses it, and
// its zero value is ready for use.
type clock struct {
	mu    sync.Mutex
	users int
	alarm *alarm.Alarm // nil while there are no users
	calls calls
}

// A call is the time at which one goroutine is rung.
type call struct {
	at    time.Time
	index int           // in clock.calls; -1: there is no time
	ring  chan struct{} // with room for one
}

func newCall() *call { return &call{index: -1, ring: make(chan struct{}, 1)} }

// enter must be called before set, and leave afterwards.
func (c *clock) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == 0 {
		a, err := alarm.New()
		if err != nil {
			return err
		}
		c.alarm = a
		go c.run(a)
	}
	c.users++
	return nil
}

// leave takes a call off the list.
func (c *clock) leave(of *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of.index >= 0 {
		heap.Remove(&c.calls, of.index)
	}
	if c.users--; c.users == 0 {
		c.alarm.Close()
		c.alarm = nil
	}
}

// set changes the time of a call.
func (c *clock) set(of *call, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of.index >= 0 && of.at.Equal(at) {
		return
	}
	of.at = at
	if of.index < 0 {
		heap.Push(&c.calls, of)
	} else {
		heap.Fix(&c.calls, of.index)
	}
	if c.calls[0] == of {
		_ = c.alarm.Set(at) // it fails only for an alarm that doesn't exist
	}
}

// run rings until the alarm is closed.
func (c *clock) run(a *alarm.Alarm) {
	for a.Ring() == nil {
		c.mu.Lock()
		for len(c.calls) > 0 && !c.calls[0].at.After(time.Now()) {
			select {
			case heap.Pop(&c.calls).(*call).ring <- struct{}{}:
			default: // it has not seen the last one yet
			}
		}
		if len(c.calls) > 0 && c.alarm == a {
			_ = a.Set(c.calls[0].at)
		}
		c.mu.Unlock()
	}
}

// calls is a heap of calls, the earliest first.
type calls []*call

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].at.Before(c[j].at) }

func (c calls) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].index, c[j].index = i, j
}

func (c *calls) Push(x any) {
	one := x.(*call)
	one.index = len(*c)
	*c = append(*c, one)
}

func (c *calls) Pop() any {
	last := len(*c) - 1
	one := (*c)[last]
	(*c)[last] = nil
	*c, one.index = (*c)[:last], -1
	return one
}
