package main

import (
	"io"
	"strings"
	"testing"
)

// A usage error points to --help once: the pointer is added by usageError alone.
func TestUsageErrors(t *testing.T) {
	for _, line := range []string{
		"frobnicate",
		"--frobnicate",
		"run --frobnicate",
		"run chat rooms",
		"run --users many",
		"run nowhere.yaml",
		"run --transports telepathy",
		"run --watch here",
		"run --store mysql:",
		"run --servers 0",
		"run --tag commit",
		"run --tag =1a2b3c",
		"run --tag commit/1=x",
		"duet --base a --tag commit",
		"run --servers 2",
		"run --store memory: --servers 2",
		"run --store sqlite:a.db --store memory: --servers 2",
		"run --target http://127.0.0.1:1 --store memory:",
		"serve now",
		"serve --listen nowhere",
		"serve --store mysql:",
		"serve --retention 0",
		"serve --results nowhere",
		"report",
		"check results",
		"check a b --fail-on p42",
		"duet --base a --head b --fail-on p42",
		"selftest now",
		"scenarios nowhere",
		"store",
		"store memory:",
	} {
		root := newRootCommand()
		root.SetArgs(strings.Fields(line))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetIn(strings.NewReader(""))
		err := root.ExecuteContext(t.Context())
		if code := exitCode(err); code != exitUsage {
			t.Errorf("pushpull %s: exit code %d: %v", line, code, err)
			continue
		}
		if n := strings.Count(err.Error(), "--help"); n != 1 || !strings.HasSuffix(err.Error(), " --help)") {
			t.Errorf("pushpull %s: the error points to --help %d times: %v", line, n, err)
		}
	}
}
