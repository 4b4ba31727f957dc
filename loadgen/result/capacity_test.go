package result

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// searched returns an index of a capacity.
func searched() Index {
	return Index{
		Schema: Schema, Kind: KindCapacity, Started: time.Unix(1700000000, 0).UTC(), Command: "pushpull capacity",
		Scenario: Scenario{Name: "chat", Users: 200, RoomSize: 2, Senders: 2, Rate: 1, Size: 100, Duration: 3, Rounds: 2, Transports: []string{"websocket"}},
		Axes:     []Axis{{Key: "users", Values: []string{"200", "400"}}},
		Points:   []Point{{Dir: "users=200", Values: []string{"200"}}, {Dir: "users=400", Values: []string{"400"}}},
		Capacity: &Capacity{
			P99S: .1, Precision: .05, Repeat: 2, ServerCPUs: 1, GeneratorCPUs: 1, Bound: true,
			Found: []Found{{
				Transport: "websocket", Way: Way{Stream: true, Duplex: true}, Holds: 200, Breaks: 400, AtLeast: true, Confirmed: true, Complete: true,
				Broke: "p99", Limit: "server-cpu", Text: "p99 was 140ms", Windows: 9, Noise: 1, Apart: []Apart{{200, 2}}, Revised: []float64{100}, Above: []float64{500},
			}},
		},
	}
}

// TestCapacity reads the index that was written.
func TestCapacity(t *testing.T) {
	dir, want := t.TempDir(), searched()
	if err := WriteIndex(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

// TestBadCapacity reads indexes that can't be used.
func TestBadCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		change func(x *Index)
		want   string
	}{
		"nothing found":    {func(x *Index) { x.Capacity = nil }, "lacks what the search has found"},
		"another kind":     {func(x *Index) { x.Kind = KindSweep }, `its kind is "sweep"`},
		"two axes":         {func(x *Index) { x.Axes = append(x.Axes, Axis{Key: "rate"}); x.Points = nil }, "2 axes"},
		"no p99":           {func(x *Index) { x.Capacity.P99S = 0 }, "can't be true"},
		"a negative p99":   {func(x *Index) { x.Capacity.P99S = -1 }, "can't be true"},
		"negative CPUs":    {func(x *Index) { x.Capacity.ServerCPUs = -1 }, "can't be true"},
		"a negative load":  {func(x *Index) { x.Capacity.Found[0].Holds = -1 }, "websocket"},
		"bounds exchanged": {func(x *Index) { x.Capacity.Found[0].Breaks = 100 }, "websocket"},
		"an endless load":  {func(x *Index) { x.Capacity.Found[0].Above[0] = 1e300 }, "websocket"},
		"a transport twice": {func(x *Index) {
			x.Capacity.Found = append(x.Capacity.Found, x.Capacity.Found[0])
		}, "twice"},
	} {
		dir, x := t.TempDir(), searched()
		c.change(&x)
		if err := WriteIndex(dir, x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: writing it: %v, want %q", name, err, c.want)
		}
		write(t, dir, asJSON(t, x))
		if _, err := ReadIndex(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: reading it: %v, want %q", name, err, c.want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, IndexFile), []byte(`{"schema":1,"kind":"capacity","capacity":{"found":3}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIndex(dir); err == nil {
		t.Error("a number in place of what was found: no error")
	}
}
