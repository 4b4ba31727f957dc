package sqlite

import (
	"database/sql/driver"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func testWriter(t *testing.T) *writer {
	t.Helper()
	path, name, err := dsn("sqlite:" + t.TempDir() + "/chat.db")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(t.Context(), &Store{logger: slog.New(slog.DiscardHandler)}, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if w.file, err = opened(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// By default, a loss of power loses no acknowledged message.
func TestSynchronous(t *testing.T) {
	if full, err := testWriter(t).conn.ask("PRAGMA synchronous"); full != int64(2) || err != nil {
		t.Errorf("synchronous is %v, %v, want 2", full, err)
	}
}

// A page of a long log is read in the order of an index, without sorting.
func TestPlan(t *testing.T) {
	var plan *stmt
	query := "EXPLAIN QUERY PLAN " + after
	if err := testWriter(t).conn.prepare(map[string]**stmt{query: &plan}); err != nil {
		t.Fatal(err)
	}
	var steps strings.Builder
	err := plan.run(func(row []driver.Value) bool { steps.WriteString(row[3].(string) + "\n"); return true }, "room", int64(1), int64(1))
	if err != nil || strings.Contains(steps.String(), "TEMP") || strings.Contains(steps.String(), "SCAN") {
		t.Errorf("%v\n%s", err, &steps)
	}
}

func TestTell(t *testing.T) {
	w := testWriter(t)
	grown, stop := w.Watch("room")
	defer stop()
	broken := errors.New("broken")
	for i, step := range []struct {
		err   error
		rings bool
	}{{nil, false}, {broken, true}, {broken, false}, {nil, true}, {nil, false}} {
		w.tell(step.err)
		rings := false
		select {
		case <-grown:
			rings = true
		default:
		}
		if rings != step.rings {
			t.Errorf("step %d: rings %t, want %t", i, rings, step.rings)
		}
	}
}
