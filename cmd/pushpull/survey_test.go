package main

import (
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// TestOrder draws another order for each point and round, and the same one again.
func TestOrder(t *testing.T) {
	s := loadgen.Scenario{Seed: 1, Transports: []string{"short-poll", "long-poll", "sse", "websocket", "websocket-lean"}}
	orders := map[string]bool{}
	for _, dir := range []string{"users=10", "users=20", "users=40"} {
		for round := 1; round <= 3; round++ {
			of := turn{point: result.Point{Dir: dir}, scenario: s, round: round}
			order := of.order()
			if again := of.order(); !slices.Equal(order, again) {
				t.Errorf("round %d of %s is %v, then %v", round, dir, order, again)
			}
			if sorted := slices.Sorted(slices.Values(order)); !slices.Equal(sorted, slices.Sorted(slices.Values(s.Transports))) {
				t.Errorf("round %d of %s has %v", round, dir, order)
			}
			orders[strings.Join(order, ",")] = true
		}
	}
	if len(orders) < 7 {
		t.Errorf("9 turns have only %d orders", len(orders))
	}
	if s.Transports[0] != "short-poll" {
		t.Errorf("the scenario's own order has changed: %v", s.Transports)
	}
}
