package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
)

func TestRunNames(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join("a", "chat", result.File)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ paths, want string }{
		{"a/chat", "chat"},
		{"a/chat/", "chat"},
		{"a/chat/result.jsonl", "chat"},
		{"old.jsonl", "old.jsonl"},
		{".", filepath.Base(dir)},
		{"a/chat b/chat", "a/chat b/chat"},
		{"a/chat b/other", "chat other"},
		{"a/chat/ ./b/../b/chat", "a/chat b/chat"},
		{"a/chat/result.jsonl b/chat", "a/chat b/chat"},
		{"a/chat b/chat c/rooms", "a/chat b/chat rooms"},
		{"x/a/1/chat x/b/1/chat x/b/2/chat", "a/1/chat b/1/chat 2/chat"},
		{"/chat /x/chat", "/chat x/chat"},
		{"/", "/"},
		{"a/日本 b/日本", "a/日本 b/日本"},
	} {
		got, err := runNames(strings.Fields(test.paths))
		if want := strings.Fields(test.want); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", test.paths, got, err, want)
		}
	}
}

func TestSameResult(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"a", "b"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, result.File), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string]bool{
		"a": false, "a b": false, "a missing missing": false,
		"a a": true, "a ./a/": true, "b a b": true, "a/result.jsonl a": true,
	}
	if err := os.Symlink("a", "link"); err == nil { // Windows may forbid it
		all["a link"] = true
	}
	for paths, want := range all {
		if first, again, got := sameResult(strings.Fields(paths)); got != want {
			t.Errorf("%s: %q and %q are the same result: %t, want %t", paths, first, again, got, want)
		}
	}
}
