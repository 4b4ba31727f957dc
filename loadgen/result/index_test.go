package result_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

func sweepIndex() result.Index {
	return result.Index{
		Schema: result.Schema, Kind: result.KindSweep, Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Command: "pushpull sweep",
		Note: "quiet", Tags: map[string]string{"commit": "1a2b3c"}, WithinS: .5, Store: "sqlite:chat.db",
		Scenario: result.Scenario{Name: "chat", Users: 20, Rounds: 2, Transports: []string{"websocket"}, Store: "sqlite"},
		Axes:     []result.Axis{{Key: "users", Values: []string{"20", "40"}}},
		Points:   []result.Point{{Dir: "users=20", Values: []string{"20"}}, {Dir: "users=40", Values: []string{"40"}}},
	}
}

func TestIndex(t *testing.T) {
	dir, want := t.TempDir(), sweepIndex()
	if err := result.WriteIndex(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := result.ReadIndex(dir)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v\nwant %+v", got, err, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := result.ReadIndex(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without an index: %v", err)
	}
}

func TestBadIndex(t *testing.T) {
	for want, edit := range map[string]func(*result.Index){
		"its schema is 99":                   func(x *result.Index) { x.Schema = 99 },
		`its kind is "grid"`:                 func(x *result.Index) { x.Kind = "grid" },
		"its delay is -1 s, want 0 or more":  func(x *result.Index) { x.WithinS = -1 },
		`the point "../other" is not below`:  func(x *result.Index) { x.Points[0].Dir = "../other" },
		`it has the point "users=40" twice`:  func(x *result.Index) { x.Points[0].Dir = "users=40" },
		`"users=40" has 2 values for 1 axes`: func(x *result.Index) { x.Points[1].Values = []string{"40", "1"} },
	} {
		dir, index := t.TempDir(), sweepIndex()
		edit(&index)
		if err := result.WriteIndex(dir, index); err != nil {
			t.Fatal(err)
		}
		if _, err := result.ReadIndex(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, result.IndexFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := result.ReadIndex(dir); err == nil || !strings.Contains(err.Error(), "not an index of pushpull") {
		t.Errorf("half an index: %v", err)
	}
}
