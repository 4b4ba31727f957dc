package text_test

import (
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

func TestMetric(t *testing.T) {
	p999, memory := 12.345, 9400.0
	row := result.Row{
		Delivered: 7, Expected: 9, Lost: 2, Requests: 8, EmptyResponses: 3, RequestsPerDelivery: 2.5, BytesPerDelivery: 1070.63,
		Latency: result.Quantiles{P50: .41234, P99: 2513, P999: &p999},
		Server:  &result.Server{Usage: result.Usage{CPUMicrosPerDelivery: 203.4}, BytesPerUser: &memory},
		Theory:  &result.Theory{StoreReads: 14},
	}
	for _, want := range []struct{ key, fixed, cell, below, quantity string }{
		{"delivered", "7/9", "7/9", "", "7"},
		{"lost", "2", "2", "", "2"},
		{"p50", "0.412", "412 µs", "", "0.412 ms"},
		{"p99", "2513", "2.51 s", "", "2513 ms"},
		{"p999", "12.3", "12.3 ms", "", "12.3 ms"},
		{"requests", "2.50", "2.50", "/message", "2.50/message"},
		{"empty-answers", "38", "38 %", "", "38 %"},
		{"bytes", "1071", "1071", "B/message", "1071 B/message"},
		{"server-cpu", "203", "203", "us/message", "203 us/message"},
		{"server-memory", "9.40", "9.40", "KB/user", "9.40 KB/user"},
	} {
		m, _ := result.MetricOf(want.key)
		x, _ := m.Value(row)
		if fixed, cell := text.Fixed(m, row), text.Cell(m, row); fixed != want.fixed || cell != want.cell {
			t.Errorf("%s is %q and %q, want %q and %q", want.key, fixed, cell, want.fixed, want.cell)
		}
		if below, quantity := text.Below(m), text.Quantity(m, x); below != want.below || quantity != want.quantity {
			t.Errorf("%s is in %q, %q, want %q, %q", want.key, below, quantity, want.below, want.quantity)
		}
	}
	cpu, _ := result.MetricOf("server-cpu")
	if got := text.Quantity(cpu.Typeset(), 203.4); got != "203 µs/message" {
		t.Errorf("typeset it is %q", got)
	}
	reads, _ := result.MetricOf("store-reads")
	if measured, theory := text.Cell(reads, row), text.Theory(reads, row); measured != "-" || theory != "2.00" {
		t.Errorf("%q store reads, in theory %q, want none and 2.00", measured, theory)
	}
	delivered, _ := result.MetricOf("delivered")
	if got := text.Cell(delivered, result.Row{}); got != "-" {
		t.Errorf("of nothing expected %q was delivered", got)
	}
}
