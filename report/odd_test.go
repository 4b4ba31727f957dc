package report_test

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// fill fills v with numbers of which some are odd.
func fill(random *rand.Rand, v reflect.Value) {
	numbers := []float64{
		math.NaN(), math.Inf(1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-9, .001, -1, 1e9, 1e14, 1e15, 1e6, 9e18, 3.6e12, 4e12,
		0, 0, 1, 1, 2, 5, 30, 100,
	}
	pick := func() float64 { return numbers[random.IntN(len(numbers))] }
	switch at := v.Addr().Interface().(type) {
	case **result.Histogram:
		*at = result.NewHistogram()
		for range random.IntN(5) {
			(*at).Record(time.Duration(pick()))
		}
		return
	case *time.Time, *[]result.Drop:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(random, field)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(random, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(random, v.Index(0))
		fill(random, v.Index(1))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(pick()))
	case reflect.Float64:
		v.SetFloat(pick())
	case reflect.Bool:
		v.SetBool(random.IntN(2) > 0)
	}
}

// FuzzOddWindows draws everything from windows with odd numbers: it must come to an end, without a
// panic and without a number that JSON can't write.
func FuzzOddWindows(f *testing.F) {
	for seed := range uint64(12) {
		f.Add(seed)
	}
	f.Add(uint64(141)) // a scan interval above the hold
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 2))
		res := &result.Result{Run: result.Run{Schema: result.Schema, Environment: result.Environment{Cores: 2}}}
		res.Run.Scenario = result.Scenario{
			Users: 40, RoomSize: []int{2, 40, 1e6, 1e9}[random.IntN(4)], Rate: []float64{1e-9, 1, 1e4}[random.IntN(3)],
			Warmup: result.Seconds([]float64{0, 1, 86400, 1e6}[random.IntN(4)]), Duration: 1, Rounds: 1,
		}
		for range 2 {
			var w result.Window
			fill(random, reflect.ValueOf(&w).Elem())
			w.Transport, w.Users = []string{"short-poll@1ms", "long-poll", "long-poll-scan@1ns", "websocket"}[random.IntN(4)], []int{1, 40, 1e9}[random.IntN(3)]
			if random.IntN(2) > 0 {
				w.Way = result.Way{}
			}
			if err := w.Settle(); err != nil {
				t.Fatal(err)
			}
			res.Windows = append(res.Windows, w)
		}
		windows, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		run := report.NewRun("odd", res)
		if err := report.Table(io.Discard, text.Screen{Columns: 120}, run); err != nil {
			t.Errorf("%v: %s", err, windows)
		}
		if err := report.Details(io.Discard, text.Screen{}, run); err != nil {
			t.Errorf("%v: %s", err, windows)
		}
		if err := report.JSON(io.Discard, run); err != nil {
			t.Errorf("%v: %s", err, windows)
		}
		if err := report.HTML(io.Discard, report.Link{}, run); err != nil {
			t.Errorf("%v: %s", err, windows)
		}
	})
}
