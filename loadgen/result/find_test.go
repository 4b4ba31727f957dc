package result_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/fstest"

	"pushpull/loadgen/result"
)

func TestFind(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, path := range []string{
		"result.jsonl", "chat/result.jsonl", "a/b/c/d/result.jsonl", "chat/report.html",
		"a/b/c/d/e/result.jsonl", ".hidden/result.jsonl", "chat/.old/result.jsonl", "result.jsonl.bak", "dir/result.jsonl/x",
	} {
		fsys[path] = &fstest.MapFile{}
	}
	want := []string{"a/b/c/d/result.jsonl", "chat/result.jsonl", "result.jsonl"}
	paths, troubles, err := result.Find(t.Context(), fsys)
	if err != nil || len(troubles) > 0 || !slices.Equal(paths, want) {
		t.Errorf("%q, %v, %v, want %q", paths, troubles, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := result.Find(ctx, fsys); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context has ended: %v", err)
	}
	if _, troubles, err := result.Find(t.Context(), fstest.MapFS{"x": &fstest.MapFile{}}); err != nil || len(troubles) > 0 {
		t.Errorf("without results: %v, %v", troubles, err)
	}
}
