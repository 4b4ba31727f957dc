package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// A work is a window that an agent has to measure, or has measured. The agent's mu guards it.
type work struct {
	number int // of the run's windows, from 1
	task   loadgen.Task
	cancel context.CancelCauseFunc

	begun, ended bool
	met, passed  int           // how often it came to meet the others, and how often all did
	at           string        // what for
	began        int           // number of the meeting after which users send; 0: it has not come to it
	known        []byte        // packed, that it shares with the others; nil: it has nothing to share
	pass         chan struct{} // closed when passed grows
	failed       string
	window       []byte // packed
	progress     loadgen.Progress
}

// describe enters the work into a status.
func (w *work) describe(s *status) {
	s.Window, s.Met, s.At, s.Known, s.Failed, s.Size = w.number, w.met, w.at, len(w.known), shortened(w.failed), len(w.window)
	s.Progress = progressOf(w.progress)
	if w.progress.Latency != nil && w.begun && !w.ended {
		s.Progress.P50, s.Progress.P99 = w.progress.Latency()
	}
	switch {
	case w.ended:
		s.State = Done
	case !w.begun:
		s.State = Prepared
	case w.began == 0:
		s.State = Joining
	case w.began > w.passed:
		s.State = Ready
	default:
		s.State = Measuring
	}
}

// decode reads a request of the run that has claimed the agent. If it is another one's, it is refused, and false is
// returned. The caller has locked mu.
func (a *agent) decode(r micro.Request) (m message, ok bool) {
	if err := json.Unmarshal(r.Data(), &m); err != nil {
		refuse(r, codeBad, "the message can't be read: %v", err)
		return m, false
	}
	if a.run == "" || m.Run != a.run || a.left {
		refuse(r, codeStray, "the run has not claimed the agent, or no longer: it was not heard of for %v, or released it", a.silence)
		return m, false
	}
	a.renewed = time.Now()
	return m, true
}

// workOf returns the window that a message is about. If it isn't the latest, the message is refused. The caller has
// locked mu.
func (a *agent) workOf(r micro.Request, m message) *work {
	if a.work == nil || a.work.number != m.Window {
		refuse(r, codeBad, "window %d is not the one that the agent measures", m.Window)
		return nil
	}
	return a.work
}

func (a *agent) claim(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var m message
	err := json.Unmarshal(r.Data(), &m)
	switch {
	case a.closing:
		refuse(r, codeStray, "it is about to end")
		return
	case err != nil || m.Run == "":
		refuse(r, codeBad, "the message can't be read: %v", err)
		return
	case m.Version != a.Version:
		refuse(r, codeVersion, "it is pushpull %s and the run is %s: use the same on both sides", a.Version, m.Version)
		return
	case a.run != "" && (a.run != m.Run || a.left):
		refuse(r, codeClaimed, "it is claimed by a run of %s", a.by)
		return
	}
	if w := a.work; w != nil && w.begun && !w.ended {
		w.cancel(errors.New("its run has claimed it again")) // the run has given up that window
	}
	if a.run == "" {
		a.Logger.Info("claimed", "run", m.Run, "of", m.By)
	}
	a.run, a.by, a.renewed = m.Run, m.By, time.Now()
	answer(r, a.status())
}

func (a *agent) renew(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.decode(r); ok {
		answer(r, a.status())
	}
}

func (a *agent) prepare(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.decode(r)
	switch {
	case !ok:
		return
	case a.work != nil && a.work.number == m.Window:
		answer(r, a.status())
		return
	case a.work != nil && a.work.begun && !a.work.ended:
		refuse(r, codeBusy, "it still ends the last window")
		return
	}
	var task loadgen.Task
	if err := unpack(m.Task, &task); err != nil {
		refuse(r, codeBad, "the task can't be read: %v", err)
		return
	}
	if err := task.Check(); err != nil {
		refuse(r, codeBad, "%v", err)
		return
	}
	if a.work != nil {
		a.work.cancel(nil)
	}
	a.work = &work{number: m.Window, task: task, pass: make(chan struct{}), cancel: func(error) {}}
	answer(r, a.status())
}

// proceed is the message go.
func (a *agent) proceed(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.decode(r)
	if !ok {
		return
	}
	w := a.workOf(r, m)
	if w == nil {
		return
	}
	if m.Met > w.passed {
		w.passed = m.Met
		close(w.pass)
		w.pass = make(chan struct{})
	}
	_ = r.RespondJSON(struct{}{}) // before anything begins, as the time until it arrives is kept
	if !w.begun && !w.ended {
		w.begun = true
		a.Logger.Info("measuring", "transport", w.task.Transport, "round", w.task.Round, "part", w.task.Part+1, "of", w.task.Parts)
		var ctx context.Context
		ctx, w.cancel = context.WithCancelCause(context.Background()) // until another message
		a.working.Go(func() { a.measure(ctx, w, m.Run) })
	}
}

func (a *agent) end(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.decode(r)
	if !ok {
		return
	}
	if w := a.workOf(r, m); w != nil {
		w.cancel(errors.New(m.Why))
		if !w.begun {
			w.ended, w.failed = true, m.Why
		}
		answer(r, a.status())
	}
}

// sizeHeader is the header of an answer with a part of what an agent knows: the bytes of all parts.
const sizeHeader = "Pushpull-Size"

// largestPart is the most bytes of a window in one message. Servers take 1 MB, unless their configuration says otherwise.
const largestPart = 512 << 10

func (a *agent) fetch(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.decode(r)
	if !ok {
		return
	}
	w := a.workOf(r, m)
	if w != nil {
		handOver(r, a.conn, w.window, m.From)
	}
}

// share is the message known.
func (a *agent) share(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.decode(r)
	if !ok {
		return
	}
	if w := a.workOf(r, m); w != nil {
		handOver(r, a.conn, w.known, m.From)
	}
}

// handOver answers a request with the part of data from a byte on that fits into a message.
func handOver(r micro.Request, conn *nats.Conn, data []byte, from int) {
	if from < 0 || from >= len(data) {
		refuse(r, codeBad, "there is no byte %d: there are %d", from, len(data))
		return
	}
	part := data[from:]
	part = part[:min(len(part), largestPart, int(conn.MaxPayload())/2)]
	_ = r.Respond(part, micro.WithHeaders(micro.Headers{sizeHeader: {strconv.Itoa(len(data))}})) // as in answer
}

func (a *agent) release(r micro.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.decode(r); ok {
		a.letGo(errors.New("the run has released the agent"))
		answer(r, a.status())
	}
}

// measure measures a window, and keeps it until it is fetched.
func (a *agent) measure(ctx context.Context, w *work, run string) {
	window, err := w.task.Measure(ctx, &crew{a, w, run}, func(now loadgen.Progress) {
		a.mu.Lock()
		defer a.mu.Unlock()
		w.progress = now
	})
	var packed []byte
	if window != nil {
		window.Agents = []result.Agent{a.describe(window)}
		if err = window.Settle(); err == nil {
			packed, err = pack(window)
		}
	}
	a.mu.Lock()
	w.ended, w.window = true, packed
	if packed == nil {
		w.failed = "it ended without a reason"
		if err != nil {
			w.failed = err.Error()
		}
		a.Logger.Info("not measured", "why", w.failed)
	}
	s := a.status()
	if a.left {
		a.free()
	}
	a.mu.Unlock()
	a.tell(s)
}

// describe returns the agent's own figures of a window that it has measured.
func (a *agent) describe(w *result.Window) result.Agent {
	return result.Agent{
		Name: a.Name, Machine: a.machine, PID: os.Getpid(), Users: w.Users, Cores: w.Cores,
		LateP99S: w.Late.Quantile(.99).Seconds(), Process: w.Generator,
	}
}

// tellTime is how long an agent waits for the coordinator to take note of its status.
const tellTime = time.Second

// tell tells the coordinator a status. It may be lost: renew asks for it, too.
func (a *agent) tell(s status) {
	text, err := json.Marshal(s)
	if err != nil {
		return // can't happen
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellTime)
	defer cancel()
	_, _ = a.conn.RequestWithContext(ctx, subjectOfRun(s.Run)+".status", text) // as above
}

// A crew is the other agents of a window, to this one.
type crew struct {
	agent *agent
	work  *work
	run   string
}

var _ loadgen.Crew = (*crew)(nil)

// Meet implements loadgen.Crew.
func (c *crew) Meet(ctx context.Context, at string) error {
	_, err := c.meet(ctx, at, nil)
	return err
}

// meet comes to meet the others, with what it has to share, and waits for them. It returns the number of the meeting.
func (c *crew) meet(ctx context.Context, at string, known []byte) (mine int, err error) {
	a, w := c.agent, c.work
	a.mu.Lock()
	w.met++
	w.at, w.known = at, known
	if at == loadgen.Beginning {
		w.began = w.met
	}
	mine = w.met
	s := a.status()
	a.mu.Unlock()
	a.working.Go(func() { a.tell(s) })
	for {
		a.mu.Lock()
		passed, pass := w.passed, w.pass
		a.mu.Unlock()
		if passed >= mine {
			return mine, nil
		}
		select {
		case <-pass:
		case <-ctx.Done():
			return mine, fmt.Errorf("waiting for the other agents: %w", context.Cause(ctx))
		}
	}
}

// Share implements loadgen.Crew.
func (c *crew) Share(ctx context.Context, known []byte) (all [][]byte, err error) {
	packed, err := pack(known)
	if err != nil {
		return nil, err
	}
	met, err := c.meet(ctx, "sharing", packed)
	if err != nil {
		return nil, err
	}
	for part := range c.work.task.Parts {
		one, err := c.take(ctx, shared{Window: c.work.number, Met: met, Part: part})
		if err != nil {
			return nil, fmt.Errorf("asking what another agent knows: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// take takes what the agent of a part has shared from the coordinator. It tries again until ctx ends.
func (c *crew) take(ctx context.Context, of shared) (known []byte, err error) {
	of.Run = c.run
	var packed []byte
	for {
		of.From = len(packed)
		text, err := json.Marshal(of)
		if err != nil {
			return nil, err
		}
		limited, cancel := context.WithTimeout(ctx, answerTime)
		got, err := c.agent.conn.RequestWithContext(limited, subjectOfRun(c.run)+".known", text)
		cancel()
		if err == nil && got.Header.Get(micro.ErrorCodeHeader) != "" {
			return nil, errors.New(got.Header.Get(micro.ErrorHeader))
		}
		if err != nil {
			if err := pause(ctx, againAfter); err != nil {
				return nil, err
			}
			continue
		}
		packed = append(packed, got.Data...)
		size, err := strconv.Atoi(got.Header.Get(sizeHeader))
		if err != nil || len(got.Data) == 0 || size > mostUnpacked {
			return nil, errors.New("the coordinator does not say how much there is, or has too much")
		}
		if len(packed) >= size {
			return known, unpack(packed, &known)
		}
	}
}
