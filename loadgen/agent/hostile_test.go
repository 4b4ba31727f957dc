package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/micro"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// compress returns text as unpack reads it.
func compress(t testing.TB, text io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.Copy(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// allocated returns how many MB do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) >> 20
}

// TestBombs has messages that would take far more memory than they have bytes: they are refused before they do. It is not
// parallel, as it counts what all goroutines allocate.
func TestBombs(t *testing.T) {
	repeated := func(begin, one, end string, n int) io.Reader {
		return io.MultiReader(strings.NewReader(begin), strings.NewReader(strings.Repeat(one, n)), strings.NewReader(end))
	}
	for name, packed := range map[string][]byte{
		"bytes":   compress(t, repeated(`{"rooms":"`, "a", `"}`, 4*mostUnpacked)),
		"objects": compress(t, repeated(`{"servers":[{}`, ",{}", `]}`, 5_000_000)),
		"numbers": compress(t, repeated(`{"shares":[1`, ",1", `]}`, 5_000_000)),
		"lists":   compress(t, repeated(``, "[", ``, 5_000_000)),
	} {
		if len(packed) > 1<<20 {
			t.Errorf("%s: %d bytes are more than NATS takes", name, len(packed))
		}
		for _, v := range []any{&loadgen.Task{}, &result.Window{}, &[]byte{}} {
			var err error
			if mb := allocated(func() { err = unpack(packed, v) }); err == nil || err.Error() != "it is too large" || mb > 6*mostUnpacked>>20 {
				t.Errorf("%s into a %T: %v, and %d MB", name, v, err, mb)
			}
		}
	}
}

// TestHostileTasks has tasks that no run gives. They are refused, and take no memory of the load that they ask for.
func TestHostileTasks(t *testing.T) {
	good := loadgen.Task{Scenario: small, Transport: "long-poll", Parts: 2, Shares: []int{4, 6}, Servers: []loadgen.Address{{URL: "http://127.0.0.1:1"}}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*loadgen.Task){
		"a billion users":              func(k *loadgen.Task) { k.Scenario.Users = 1e9 },
		"many users":                   func(k *loadgen.Task) { k.Scenario.Users, k.Shares, k.Parts = 10_000_000, nil, 1 },
		"users below 0":                func(k *loadgen.Task) { k.Scenario.Users = -4 },
		"no users":                     func(k *loadgen.Task) { k.Scenario.Users = 0 },
		"no users, one room":           func(k *loadgen.Task) { k.Scenario.Users, k.Scenario.RoomSize = 0, 0 },
		"many parts":                   func(k *loadgen.Task) { k.Parts, k.Shares = 1e9, nil },
		"part below 0":                 func(k *loadgen.Task) { k.Part = -1 },
		"parts below 0":                func(k *loadgen.Task) { k.Parts = -1 },
		"part too large":               func(k *loadgen.Task) { k.Part = 2 },
		"share below 0":                func(k *loadgen.Task) { k.Shares = []int{-1, 11} },
		"shares that overflow":         func(k *loadgen.Task) { k.Shares = []int{math.MaxInt, math.MaxInt} },
		"no share":                     func(k *loadgen.Task) { k.Shares = []int{} },
		"too few shares":               func(k *loadgen.Task) { k.Shares = []int{10} },
		"shares of members":            func(k *loadgen.Task) { k.Scenario.RoomSize = 0 },
		"a rate without bounds":        func(k *loadgen.Task) { k.Scenario.Rate = math.MaxFloat64 },
		"a duration without bounds":    func(k *loadgen.Task) { k.Scenario.Duration = math.MaxFloat64 },
		"no servers":                   func(k *loadgen.Task) { k.Servers = nil },
		"a transport that is not ours": func(k *loadgen.Task) { k.Transport = "\x00" },
	} {
		bad := good
		spoil(&bad)
		var err error
		if mb := allocated(func() { err = bad.Check() }); err == nil || mb > 10 {
			t.Errorf("%s: %v, and %d MB", name, err, mb)
		}
	}
}

// TestHostileStatus has statuses that no agent has.
func TestHostileStatus(t *testing.T) {
	good := `{"agent":"a","run":"r","state":"done","window":3,"met":4,"known":5,"size":6,"progress":{"phase":"x","in_ns":7,"joined":8}}`
	if s, err := readStatus([]byte(good)); err != nil || s.Window != 3 || s.Met != 4 || s.Known != 5 || s.Size != 6 || s.Progress.Joined != 8 {
		t.Fatalf("%+v, %v", s, err)
	}
	if s, err := readStatus([]byte(`{"met":1,"load":{"cpu":0.5,"late_ns":7}}`)); err != nil || s.Load != (load{.5, 7}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{`"cpu":-0.1`, `"cpu":1.1`, `"late_ns":-1`} {
		if s, err := readStatus([]byte(`{"met":1,"load":{` + bad + `}}`)); err != nil || s.Met != 1 || s.Load != (load{}) {
			t.Errorf("%s: %+v, %v", bad, s, err)
		}
	}
	for _, bad := range []string{
		`{"known":33554433}`, `{"size":9223372036854775807}`, `{"known":-1}`, `{"size":-1}`, `{"window":-1}`, `{"met":-1}`, `{"failed":"` + strings.Repeat("x", mostText+1) + `"}`, `{"window":1e99}`, `[]`, ``,
	} {
		if s, err := readStatus([]byte(bad)); err == nil {
			t.Errorf("%.80s is %+v", bad, s)
		}
	}
	for _, bad := range []string{`"joined":9223372036854775807`, `"sent":-1`, `"in_ns":-1`, `"joined_per_s":1e300`, `"joined_per_s":-1`, `"p99_ns":-1`} {
		if s, err := readStatus([]byte(`{"met":1,"progress":{"phase":"x",` + bad + `}}`)); err != nil || s.Met != 1 || s.Progress != (progress{}) {
			t.Errorf("%s: %+v, %v", bad, s, err)
		}
	}
}

// TestLongReason has an agent fail for a reason that is longer than a status may hold: the run still learns that it failed.
func TestLongReason(t *testing.T) {
	w := &work{number: 1, ended: true, failed: strings.Repeat("é", mostText)}
	var s status
	w.describe(&s)
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readStatus(data); err != nil || !got.ended(1) || !strings.HasPrefix(got.Failed, "ééé") || !strings.HasSuffix(got.Failed, "é…") {
		t.Errorf("%.40s, %v", got.Failed, err)
	}
}

// TestNoSuchWindow has an agent send the status of a window that the run has not begun. The team ignores it: it would take
// the agent's next status, of a window that has begun, for an older one.
func TestNoSuchWindow(t *testing.T) {
	team := &Team{run: "r", window: 2, changed: make(chan struct{}, 1)}
	m := &member{id: "a"}
	team.note(m, status{Window: 2, Met: 1})
	team.note(m, status{Window: 3, Met: 9})
	if m.status.Window != 2 || m.status.Met != 1 {
		t.Errorf("%+v", m.status)
	}
}

// TestMemberOf reads what services say of themselves.
func TestMemberOf(t *testing.T) {
	info := func(id, service string, metadata map[string]string) []byte {
		data, err := json.Marshal(micro.Info{ServiceIdentity: micro.ServiceIdentity{Name: service, ID: id, Metadata: metadata}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	m, ok := memberOf(info("Ab_1-", serviceName, map[string]string{
		metaName: "n", metaMachine: "m", metaPID: "7", metaCores: "8", metaFiles: "1024", metaPorts: "28232",
	}))
	if want := (loadgen.Capacity{Machine: "m", Cores: 8, Files: 1024, Ports: 28232}); !ok || m.may != want || m.name != "n" || m.machine != "m" || m.pid != 7 {
		t.Errorf("%+v, %t", m, ok)
	}
	m, ok = memberOf(info("a", serviceName, map[string]string{metaPID: "-7", metaCores: "999999999", metaFiles: "-1", metaPorts: "x"}))
	if !ok || m.may != (loadgen.Capacity{}) || m.pid != 0 {
		t.Errorf("numbers that can't be: %+v, %t", m, ok)
	}
	for _, data := range [][]byte{
		nil, []byte("{"), info("a", "another", nil), info("", serviceName, nil), info("a.>", serviceName, nil), info("a b", serviceName, nil),
		info("a", serviceName, map[string]string{metaName: strings.Repeat("x", mostText+1)}),
	} {
		if m, ok := memberOf(data); ok {
			t.Errorf("%.80s is %+v", data, m)
		}
	}
}
