package agent

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// A fakeRequest is a request whose answer is kept.
type fakeRequest struct {
	micro.Request
	data    []byte
	answers int
}

func (r *fakeRequest) Data() []byte { return r.data }

func (r *fakeRequest) Respond([]byte, ...micro.RespondOpt) error { r.answers++; return nil }

func (r *fakeRequest) RespondJSON(any, ...micro.RespondOpt) error { r.answers++; return nil }

func (r *fakeRequest) Error(string, string, []byte, ...micro.RespondOpt) error {
	r.answers++
	return nil
}

// A fakeService is one with an id.
type fakeService struct{ micro.Service }

func (fakeService) Info() micro.Info {
	return micro.Info{ServiceIdentity: micro.ServiceIdentity{ID: "a"}}
}

// texts returns v as JSON, for seeds.
func texts(f *testing.F, v any) []byte {
	f.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

var aTask = loadgen.Task{
	Scenario: small, Transport: "long-poll", Round: 1, Part: 1, Parts: 2, Shares: []int{4, 6}, Rooms: "r",
	Servers: []loadgen.Address{{URL: "http://127.0.0.1:1", Through: "127.0.0.1:2"}},
}

// FuzzUnpack reads compressed data.
func FuzzUnpack(f *testing.F) {
	f.Add(compress(f, strings.NewReader(`{"rooms":"a","shares":[1]}`)))
	f.Add(compress(f, strings.NewReader(strings.Repeat("[", 1<<20))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if err := unpack(data, &v); err != nil {
			return
		}
		packed, err := pack(v)
		if err != nil {
			t.Fatal(err)
		}
		var again any
		if err := unpack(packed, &again); err != nil {
			t.Errorf("%v can't be read again: %v", v, err)
		}
	})
}

// FuzzTask reads tasks. One that can be done has a share that the process may have.
func FuzzTask(f *testing.F) {
	f.Add(texts(f, aTask))
	f.Add([]byte(`{"scenario":{"name":"x","users":1000000000,"room_size":2},"transport":"sse","parts":-1,"shares":[9223372036854775807,1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var task loadgen.Task
		if unpack(compress(t, bytes.NewReader(data)), &task) != nil {
			return
		}
		begun := time.Now()
		err := task.Check()
		if took := time.Since(begun); took > soon {
			t.Errorf("it took %v", took)
		}
		if err == nil && (task.Parts < 1 || task.Parts > loadgen.MostParts || task.Part < 0 || task.Part >= task.Parts || task.Scenario.Users < 2 || len(task.Servers) == 0) {
			t.Errorf("%+v can be done", task)
		}
	})
}

// FuzzMessage sends messages of a coordinator to an agent that is claimed: each is answered once, and none ends the claim but
// release.
func FuzzMessage(f *testing.F) {
	packed, err := pack(aTask)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []message{
		{Run: "r", Version: "1", By: "x"}, {Run: "r", Window: 1, Task: packed}, {Run: "r", Window: 1, From: -1}, {Run: "r", Window: 1, From: 1 << 62}, {Run: "s", Window: 1},
	} {
		f.Add(texts(f, m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := newAgent(Options{Version: "1"})
		if err != nil {
			t.Fatal(err)
		}
		a.service = fakeService{}
		a.run, a.renewed = "r", time.Now()
		for name, handle := range map[string]micro.HandlerFunc{ // go would begin to measure
			"claim": a.claim, "renew": a.renew, "prepare": a.prepare, "end": a.end, "window": a.fetch, "known": a.share,
		} {
			r := &fakeRequest{data: data}
			if handle(r); r.answers != 1 {
				t.Errorf("%s: %d answers", name, r.answers)
			}
			if a.run != "r" || a.left {
				t.Errorf("%s has ended the claim", name)
			}
		}
		r := &fakeRequest{data: data}
		if a.release(r); r.answers != 1 {
			t.Errorf("release: %d answers", r.answers)
		}
	})
}

// FuzzStatus has an agent say anything of itself to the run that has claimed it.
func FuzzStatus(f *testing.F) {
	f.Add(texts(f, status{Agent: "a", Run: "r", State: Done, Window: 1, Met: 3, At: "join", Known: 7, Size: 9, Progress: progress{Phase: "measuring", Joined: 5}}))
	f.Add([]byte(`{"agent":"a","run":"r","window":1,"known":9223372036854775807,"size":-1,"progress":{"joined":9223372036854775807}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &member{id: "a", name: "n", machine: "m"}
		team := &Team{run: "r", window: 1, members: []*member{m}, changed: make(chan struct{}, 1)}
		r := &fakeRequest{data: data}
		if team.told(r); r.answers != 1 {
			t.Fatalf("%d answers", r.answers)
		}
		w := &measuring{Team: team, number: 1, agents: []*member{m}, without: make([]bool, 1), progress: func(p loadgen.Progress) {
			if p.Joined < 0 || p.Expected < 0 || p.Delivered < 0 || p.Sent < 0 || p.Phase == "" {
				t.Errorf("progress %+v", p)
			}
		}}
		s := w.survey()
		w.report(s, "")
		if s.met < 0 || s.known[0] < 0 || s.known[0] > mostUnpacked || m.status.Size < 0 || m.status.Size > mostUnpacked || m.status.Window > team.window {
			t.Errorf("%+v of %+v", s, m.status)
		}
	})
}

// FuzzShared asks a run for what agents have shared.
func FuzzShared(f *testing.F) {
	f.Add(texts(f, shared{Run: "r", Window: 1, Met: 2, Part: 1}))
	f.Add(texts(f, shared{Run: "r", Window: 1, Met: 2, Part: -1, From: -1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		team := &Team{run: "r", shares: map[shared][]byte{}}
		r := &fakeRequest{data: data}
		if team.share(r); r.answers != 1 {
			t.Errorf("%d answers", r.answers)
		}
	})
}

// FuzzInfo divides rooms among an agent that says anything of itself, and one that is as they are.
func FuzzInfo(f *testing.F) {
	f.Add("a", "m", "8", "1024", "28232")
	f.Add("a.>", "", "-1", "9223372036854775807", "99999999999999999999")
	f.Fuzz(func(t *testing.T, id, machine, cores, files, ports string) {
		data, err := json.Marshal(micro.Info{ServiceIdentity: micro.ServiceIdentity{
			Name: serviceName, ID: id, Metadata: map[string]string{metaMachine: machine, metaCores: cores, metaFiles: files, metaPorts: ports},
		}})
		if err != nil {
			t.Fatal(err)
		}
		m, ok := memberOf(data)
		if !ok {
			return
		}
		task, err := aTask.Among(capacities([]*member{m, {machine: "other", may: loadgen.Capacity{Machine: "other", Cores: 4}}}))
		if err != nil {
			return
		}
		if len(task.Shares) != 2 || task.Shares[0] < 1 || task.Shares[1] < 1 || task.Shares[0]+task.Shares[1] != 10 {
			t.Errorf("%v of %+v", task.Shares, m.may)
		}
	})
}

// FuzzWindow reads the parts of windows, and joins them.
func FuzzWindow(f *testing.F) {
	w := result.Window{
		Transport: "sse", Round: 1, Users: 4, DurationS: 1, Latency: result.NewHistogram(), SendDelay: result.NewHistogram(),
		Accept: result.NewHistogram(), Late: result.NewHistogram(), Agents: []result.Agent{{Name: "a", Machine: "m", Users: 4}},
	}
	f.Add(texts(f, w))
	f.Fuzz(func(t *testing.T, data []byte) {
		var parts [2]result.Window
		for i := range parts {
			if unpack(compress(t, bytes.NewReader(data)), &parts[i]) != nil || parts[i].Settle() != nil {
				return
			}
		}
		joined, err := result.Join(parts[:]...)
		if err == nil && joined.Users != 2*parts[0].Users {
			t.Errorf("%d users of twice %d", joined.Users, parts[0].Users)
		}
	})
}

// FuzzContext reads contexts of NATS. What they keep secret is not in an error.
func FuzzContext(f *testing.F) {
	f.Add([]byte(`{"description":"x","url":"nats://h:4222, tls://i","token":"s3cr3ts3cr3t","inbox_prefix":"_I"}`))
	f.Add([]byte(`{"url":"h","user":"u","password":"env://s3cr3ts3cr3t","creds":"~/x","tls_first":true}`))
	f.Add([]byte(`{"user_jwt":"j","user_seed":"s3cr3ts3cr3t","nsc":"nsc://x","windows_ca_certs_match":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readContext(data)
		if err == nil {
			if p.URL == "" || !strings.Contains(p.URL, "://") || (p.Cert == "") != (p.Key == "") {
				t.Errorf("%+v", p)
			}
			if _, err := p.options(); err != nil && p.NKey == "" {
				t.Error(err)
			}
			return
		}
		if p != (Place{}) {
			t.Errorf("%+v beside %v", p, err)
		}
		var fields map[string]any
		if json.Unmarshal(data, &fields) != nil {
			return
		}
		for _, key := range []string{"password", "token", "user_jwt", "user_seed"} {
			secret, _ := fields[key].(string)
			delete(fields, key)
			if named := err.Error(); len(secret) > 7 && strings.Contains(named, secret) && !containsKey(fields, secret) {
				t.Errorf("%v has the %s", err, key)
			}
		}
	})
}

// containsKey reports whether a field's name has the text: an error may name the field.
func containsKey(fields map[string]any, text string) bool {
	for key := range maps.Keys(fields) {
		if strings.Contains(key, text) {
			return true
		}
	}
	return false
}
