package result

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// unread are the numbers of a row that no metric reads, with the reason.
var unread = map[string]string{
	"Untimed":          "a doubt tells it",
	"Reached":          "so many of the users, of which it takes enough messages",
	"Resampled.Blocks": "how the intervals were found, not a result",
	"Users":            "an input of the measurement, not a result",
	"Agents.Number":    "an input of the measurement, not a result",
	"Agents.SkewMS":    "a property of the agents, not of what they measured",
	"Servers":          "an input of the measurement, not a result",
	"Rounds":           "an input of the measurement, not a result",
	"DurationS":        "an input of the measurement, not a result",
	"Way.EveryS":       "a property of the transport, not a result",
	"Way.HoldS":        "a property of the transport, not a result",
	"Way.HeartbeatS":   "a property of the transport, not a result",
	"Way.ScanS":        "a property of the transport, not a result",
	"Way.Batch":        "a property of the transport, not a result",
}

// A rowNumber is the path of a numeric field of a row, and a function that returns the field.
type rowNumber struct {
	path string
	of   func(*Row) reflect.Value
}

// rowNumbers returns the numeric fields of a row and of all structs in it. Their functions set the
// pointers on the path.
func rowNumbers(t *testing.T) []rowNumber {
	t.Helper()
	var all []rowNumber
	var walk func(path string, kind reflect.Type, of func(*Row) reflect.Value)
	walk = func(path string, kind reflect.Type, of func(*Row) reflect.Value) {
		switch kind.Kind() {
		case reflect.Int, reflect.Int64, reflect.Float64:
			all = append(all, rowNumber{strings.TrimPrefix(path, "."), of})
		case reflect.Pointer:
			walk(path, kind.Elem(), func(r *Row) reflect.Value {
				v := of(r)
				if v.IsNil() {
					v.Set(reflect.New(kind.Elem()))
				}
				return v.Elem()
			})
		case reflect.Struct:
			if kind == reflect.TypeFor[Histogram]() {
				return // drawn as a curve; its quantiles are in Latency
			}
			for i := range kind.NumField() {
				f := kind.Field(i)
				within := path + "." + f.Name
				if f.Anonymous {
					within = path
				}
				walk(within, f.Type, func(r *Row) reflect.Value { return of(r).Field(i) })
			}
		case reflect.String, reflect.Bool, reflect.Slice, reflect.Func:
		case reflect.Map: // Intervals and Draws are of metrics, which the numbers of the row make
		default:
			t.Errorf("%s is a %s: add a case for it", path, kind)
		}
	}
	walk("", reflect.TypeFor[Row](), func(r *Row) reflect.Value { return reflect.ValueOf(r).Elem() })
	return all
}

func setNumber(v reflect.Value, x float64) {
	if v.CanFloat() {
		v.SetFloat(x)
	} else {
		v.SetInt(int64(x))
	}
}

// full returns a row in which every number is set.
func full(t *testing.T) Row {
	r := Row{Histogram: histogramOf(time.Millisecond)}
	for i, n := range rowNumbers(t) {
		setNumber(n.of(&r), float64(1000+10*i))
	}
	r.Untimed = 1 // fewer than were delivered
	return r
}

// shown returns the values of a row's metrics, by key.
func shown(r Row) map[string]string {
	all := map[string]string{}
	for _, m := range Metrics() {
		value, ok := m.Value(r)
		all[m.Key] = fmt.Sprint(value, ok)
		if m.Whole != nil {
			all[m.Key] += fmt.Sprint(m.Whole(r))
		}
		if m.Theory != nil {
			value, ok := m.Theory(r)
			all[m.Key] += fmt.Sprint(value, ok)
		}
	}
	return all
}

// TestEveryNumberIsAMetric changes each number of a row in turn: a metric must change with it, unless
// the number is in unread.
func TestEveryNumberIsAMetric(t *testing.T) {
	before := shown(full(t))
	seen := map[string]bool{}
	for i, n := range rowNumbers(t) {
		seen[n.path] = true
		r := full(t)
		setNumber(n.of(&r), float64(7+i))
		after := shown(r)
		var read []string
		for key, text := range after {
			if text != before[key] {
				read = append(read, key)
			}
		}
		switch {
		case len(read) == 0 && unread[n.path] == "":
			t.Errorf("no metric reads %s of a row: add one to Metrics, or the number to unread", n.path)
		case len(read) > 0 && unread[n.path] != "":
			t.Errorf("%s is in unread, but %q read it", n.path, read)
		}
	}
	for path := range unread {
		if !seen[path] {
			t.Errorf("%s is in unread, but not a number of a row", path)
		}
	}
}

func TestMetrics(t *testing.T) {
	keys := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	columns := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	units := []string{"", "ms", "us", "s", "KB", "B", "%"}
	shares := []string{"", "message", "user", "s"}
	names, charts := map[string]string{}, map[string]bool{}
	unique := func(m Metric, kind, name string) {
		t.Helper()
		if other := names[kind+name]; other != "" {
			t.Errorf("%s and %s have the same %s %q", other, m.Key, kind, name)
		}
		names[kind+name] = m.Key
	}
	row, nothing := full(t), Row{}
	for _, m := range Metrics() {
		unit, scale := m.Bench()
		unique(m, "key", m.Key)
		unique(m, "column", m.Column())
		unique(m, "unit of benchfmt", unit)
		unique(m, "heading", m.Labelled(m.Heading(false)))
		if !keys.MatchString(m.Key) || !columns.MatchString(m.Column()) || strings.ContainsAny(unit, " \t") {
			t.Errorf("%s is not well formed: column %s, unit %s", m.Key, m.Column(), unit)
		}
		if !slices.Contains(units, m.Unit) || !slices.Contains(shares, m.Per) || scale < 1 {
			t.Errorf("%s has the unknown unit %q, or a scale below 1", m.Key, m.Measure())
		}
		if m.Heading(false) == "" || m.Heading(true) == "" {
			t.Errorf("%s has no heading", m.Key)
		}
		if found, ok := MetricOf(m.Key); !ok || found.Key != m.Key {
			t.Errorf("%s is not found", m.Key)
		}
		if _, ok := m.Value(row); !ok {
			t.Errorf("%s has no value in a row with all fields set", m.Key)
		}
		if value, ok := m.Value(nothing); ok && value != 0 {
			t.Errorf("%s is %v in an empty row", m.Key, value)
		}
		if m.Theory != nil {
			if _, ok := m.Theory(row); !ok {
				t.Errorf("%s has no prediction in a row with all fields set", m.Key)
			}
			if _, ok := m.Theory(nothing); ok {
				t.Errorf("%s has a prediction in an empty row", m.Key)
			}
		}

		if m.Gate != Uncompared && m.Worse != Higher {
			t.Errorf("%s is gated, but the check supports only metrics that get worse as they grow", m.Key)
		}
		if m.Gate != Timing && (m.Default || m.Limit != 0) || m.Limit != 0 && m.Limit <= 1 {
			t.Errorf("%s: default %t, limit %v: these are for timings, and a limit is a ratio above 1", m.Key, m.Default, m.Limit)
		}
		if m.Shown.Has(InTheory) && m.Theory == nil {
			t.Errorf("%s is shown in the table of theory, but has no prediction", m.Key)
		}
		if m.Shown.Has(OnCurve) && m.Quantile == 0 {
			t.Errorf("%s is marked on the curves, but not a quantile", m.Key)
		}
		if onPage := m.Shown.Has(InTable|InStore|InTheory|OnCurve) || m.Chart != nil; !onPage && m.Shown.Has(InHistory|InMarkdown|InHeadlines|InLive|InTrend) {
			t.Errorf("%s is shown elsewhere, but neither in a table nor in a chart of the report", m.Key)
		}
		if (m.Gate == Count || m.Gate == Timing) && !m.Shown.Has(InTable|InStore) {
			t.Errorf("%s is gated, but in no table", m.Key)
		}
		if c := m.Chart; c != nil {
			if c.Name == "" || c.Title == "" || !strings.HasSuffix(c.Detail, ".") || charts[c.Name] {
				t.Errorf("%s has the incomplete or duplicate chart %+v", m.Key, c)
			}
			charts[c.Name] = true
			if c.Vain != nil {
				c.Vain(row)
			}
		}
	}
	if _, ok := MetricOf("p42"); ok {
		t.Error("there is a metric p42")
	}
}

// TestSpellings checks the names and units of metrics in each output.
func TestSpellings(t *testing.T) {
	for _, want := range []struct{ key, label, typeset, column, bench string }{
		{"lost", "lost", "lost", "lost", "lost"},
		{"p50", "p50 ms", "p50 ms", "p50_ms", "p50-ns"},
		{"requests", "requests/message", "requests/message", "requests_per_message", "requests/message"},
		{"bytes", "bytes B/message", "bytes B/message", "bytes_per_message", "B/message"},
		{"store-read-rate", "store reads/s", "store reads/s", "store_read_rate_per_s", "store-read-rate/s"},
		{"server-cpu", "server CPU us/message", "server CPU µs/message", "server_cpu_us_per_message", "server-cpu-ns/message"},
		{"server-memory", "server memory KB/user", "server memory KB/user", "server_memory_kb_per_user", "server-memory-B/user"},
		{"empty-answers", "empty answers %", "empty answers %", "empty_answers_percent", "empty-answers-%"},
		{"bytes-in", "bytes in", "bytes in", "bytes_in", "bytes-in"},
	} {
		m, _ := MetricOf(want.key)
		bench, _ := m.Bench()
		typeset := m.Typeset()
		got := []string{m.Labelled(m.Heading(false)), typeset.Labelled(typeset.Heading(false)), m.Column(), bench}
		if !slices.Equal(got, []string{want.label, want.typeset, want.column, want.bench}) {
			t.Errorf("%s is spelled %q", want.key, got)
		}
	}
}
