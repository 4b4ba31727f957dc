package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushpull/loadgen"
	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
)

// TestOwnOutputs gives everything that pushpull prints and writes, apart from results, as a result and
// as a scenario, and checks that it is named as what it is.
func TestOwnOutputs(t *testing.T) {
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	dir := t.TempDir()
	const chat, duet = "../../results/chat", "../../results/duet"
	for name, args := range map[string][]string{
		"run.json":   {"report", chat, "--json"},
		"runs.json":  {"report", chat, duet, "--json"},
		"run.csv":    {"report", chat, "--csv"},
		"check.json": {"check", duet, duet, "--json"},
		"drawn":      {"report", chat, "--out", filepath.Join(dir, "drawn")},
		"written": {
			"check", duet, duet, "--junit", filepath.Join(dir, "junit.xml"), "--markdown", filepath.Join(dir, "summary.md"),
			"--benchfmt", filepath.Join(dir, "bench.txt"), "--benchmark-action", filepath.Join(dir, "bench.json"),
		},
	} {
		var out bytes.Buffer
		cmd := newRootCommand()
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		if err := cmd.Execute(); err != nil && exitCode(err) != exitDoubtful {
			t.Fatalf("%s: %v", name, err)
		}
		if filepath.Ext(name) == "" {
			continue // a table for people
		}
		if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	drawn, errDrawn := filepath.Glob(filepath.Join(dir, "drawn", "*"))
	if err != nil || errDrawn != nil || len(files) != 8 || len(drawn) < 3 {
		t.Fatalf("%d files, %v, %d drawn, %v", len(files), err, len(drawn), errDrawn)
	}
	for _, path := range append(files, drawn...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		format := input.Identify(data)
		if format == nil || format.Key == "json" || format.Key == "xml" || format.Key == "html" || format.Key == "csv" {
			t.Errorf("%s is taken for %+v", filepath.Base(path), format)
			continue
		}
		if _, err := result.Open(path); err == nil || err.Error() != path+": "+format.NotResult() {
			t.Errorf("as a result: %v", err)
		}
		if _, err := loadgen.Parse(path, data); err == nil || !strings.Contains(err.Error(), format.NotScenario()) {
			t.Errorf("as a scenario: %v", err)
		}
	}
}
