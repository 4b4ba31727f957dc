package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/fault"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
	"pushpull/transports/store"
)

// A matrix measures faults: each with each transport on each store.
type matrix struct {
	scenario loadgen.Scenario
	faults   []fault.Fault
	servers  serversOptions
	parallel int // windows at a time
	backing  *backing
	against  *foreigns
	access   variant // how users reach the servers
	record   *record
	show     *progress

	cells   []faultCell        // in the order in which they are measured
	leftOut [][]result.LeftOut // for each store

	mu     sync.Mutex // of what follows, record and show
	begun  time.Time
	ended  int       // windows
	said   time.Time // when a line last said how long the rest takes
	halted bool      // the progress has said that the run is about to end
}

// A faultCell is a window to be measured.
type faultCell struct {
	fault     fault.Fault
	transport string
	store     int // index of backing
	round     int
}

// plan fills in the cells, and what is left out.
func (m *matrix) plan() {
	m.leftOut = make([][]result.LeftOut, len(m.backing.names))
	for round := 1; round <= m.scenario.Rounds; round++ {
		for _, f := range m.faults {
			for _, transport := range m.scenario.Measured() {
				for i := range m.backing.names {
					cell := faultCell{f, transport, i, round}
					if isForeign(transport) && i > 0 {
						continue // it has a store of its own
					}
					options := m.options(cell, 0)
					if why := f.Lacks(options.Place(!isForeign(transport) && store.InFile(m.backing.addresses[i]))); why == "" {
						m.cells = append(m.cells, cell)
					} else if round == 1 {
						m.leftOut[i] = append(m.leftOut[i], result.LeftOut{Fault: f.Name, Transport: transport, Why: why})
					}
				}
			}
		}
	}
	m.parallel = max(1, min(m.parallel, len(m.cells)))
}

// options returns how a cell is measured in a lane. The windows of a lane follow each other.
func (m *matrix) options(c faultCell, lane int) loadgen.FaultOptions {
	o := loadgen.FaultOptions{Scenario: m.scenario, Transport: c.transport, Fault: c.fault, Round: c.round}
	if isForeign(c.transport) {
		for _, side := range m.against.all() {
			if strings.HasPrefix(c.transport, side.Name+"/") {
				o.Side = side
			}
		}
	} else {
		address := m.address(c, lane)
		o.Side = m.backing.side(c.store, m.servers, append(serverCommand(m.scenario), "--heartbeat", "1s"))
		o.Side.Env = []string{storeVariable + "=" + address}
		_ = m.access.front(&o.Side, &m.backing.authority) // fails only before the certificate is made
		o.Store = store.Endpoint(address)
		o.StoreAt = func(endpoint string) []string {
			return []string{storeVariable + "=" + store.Through(address, endpoint)}
		}
	}
	m.access.reach(&o.Side)
	o.Side.Relay = relayCommand() // it is what breaks, also without a network
	return o
}

// address returns that of the log of a cell in a lane. Windows at the same time must not hold each other up, and what a
// fault has servers do to the log, like keeping few messages, must not happen to other windows.
func (m *matrix) address(c faultCell, lane int) string {
	address := m.backing.addresses[c.store]
	var name []string
	for _, argument := range c.fault.Serve {
		name = append(name, strings.Trim(argument, "-"))
	}
	if lane > 0 {
		name = append(name, strconv.Itoa(lane+1))
	}
	if len(name) == 0 {
		return address
	}
	return store.Apart(address, "faults-"+strings.Join(name, "-"))
}

// removeFiles removes the logs that are files beside those of the stores.
func (m *matrix) removeFiles() {
	for _, c := range m.cells {
		if isForeign(c.transport) {
			continue
		}
		for lane := range m.parallel {
			if address := m.address(c, lane); address != m.backing.addresses[c.store] {
				for _, path := range store.Files(address) {
					_ = os.Remove(path) // most are gone already, or were never made
				}
			}
		}
	}
}

// described returns the faults as the result of a store has them.
func (m *matrix) described(i int) *result.Faults {
	all := &result.Faults{LeftOut: m.leftOut[i]}
	for _, f := range m.faults {
		all.All = append(all.All, result.FaultAbout{Name: f.Name, About: f.About})
	}
	return all
}

// reason returns why nothing was measured: why the first window failed, or why the first cell was left out.
func (m *matrix) reason() string {
	for _, one := range m.record.results {
		for _, w := range one.result.Windows {
			return w.Aftermath.Fault + ": " + text.Clean(w.Failed)
		}
	}
	for _, all := range m.leftOut {
		for _, l := range all {
			return l.Fault + ": " + l.Why
		}
	}
	return "there is no transport"
}

// measure measures all cells, several at a time. If ctx ends, what was measured is kept.
func (m *matrix) measure(ctx context.Context) error {
	within, end := context.WithCancelCause(ctx)
	defer end(nil)
	m.begun = time.Now()
	m.said = m.begun
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range m.cells {
			select {
			case next <- i:
			case <-within.Done():
				return
			}
		}
	}()
	var lanes sync.WaitGroup
	for lane := range m.parallel {
		lanes.Go(func() {
			for i := range next {
				if err := m.window(within, i, lane); err != nil {
					end(err) // the first one counts
					return
				}
			}
		})
	}
	lanes.Wait()
	return context.Cause(within)
}

// window measures cell i.
func (m *matrix) window(ctx context.Context, i, lane int) error {
	cell := m.cells[i]
	o := m.options(cell, lane)
	o.At = loadgen.Progress{
		Transport: cell.transport, Side: cell.name(m), Round: cell.round, Rounds: m.scenario.Rounds,
		Window: i + 1, Windows: len(m.cells), Users: m.scenario.Users,
	}
	o.Progress = func(now loadgen.Progress) { m.update(ctx, now) }
	w, err := loadgen.Break(ctx, o)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.record.results[cell.store].add(w); err != nil {
		return err
	}
	m.ended++
	m.tell(o.At, w)
	return nil
}

// update shows the progress of a window.
func (m *matrix) update(ctx context.Context, now loadgen.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		if !m.halted {
			m.halted = true
			m.show.stopping()
		}
		now.Phase = "stopping"
	}
	now.Left = m.left()
	if m.parallel == 1 {
		m.show.update(now)
	} else {
		m.show.several(m.ended, m.parallel, now)
	}
}

// left returns about how long the windows take that have not ended.
func (m *matrix) left() time.Duration {
	each := ((m.scenario.Warmup + m.scenario.Duration).Duration() + time.Second) / time.Duration(m.parallel)
	if m.ended > 0 {
		each = time.Since(m.begun) / time.Duration(m.ended)
	}
	return time.Duration(len(m.cells)-m.ended) * each
}

// name returns what the progress shows of a cell beside its transport.
func (c faultCell) name(m *matrix) string {
	if name := m.backing.names[c.store]; name != "" {
		return name + ", " + c.fault.Name
	}
	return c.fault.Name
}

// restEvery is how often a line says how long the rest takes, where there is no terminal.
const restEvery = 30 * time.Second

// tell prints the line of a window that has ended.
func (m *matrix) tell(at loadgen.Progress, w *result.Window) {
	if m.show.w == nil {
		return
	}
	m.show.clear()
	said := "not measured: " + text.Clean(w.Failed)
	if w.Failed == "" {
		said = report.FaultWords(w.Aftermath)
	}
	fmt.Fprintf(m.show.w, "%s  %s\n", heading(at), m.show.on().Text(said))
	if m.parallel > 1 && m.show.live == nil && time.Since(m.said) > restEvery {
		m.said = time.Now()
		fmt.Fprintf(m.show.w, "%d of %d windows, about %s left\n", m.ended, len(m.cells), clock(m.left()))
	}
}
