//go:build !race

package web_test

import (
	"fmt"
	"slices"
	"testing"

	"pushpull/report/web/browsertest"
)

// TestEvents holds that the lanes' parser of event streams reads what the HTML standard allows, in pieces of
// any size.
func TestEvents(t *testing.T) {
	p := onPage{browsertest.Start(t), t}
	p.Open(startSite(t, allLanes...).url("/"))
	const stream = ": a comment\nretry: 5\n\ndata: one\n\ndata:two\r\ndata: lines\r\n\r\nid: 7\revent: gap\rdata\r\rdata:  a space\nfield\nevent\n\nevent: nothing\n\ndata: cut off"
	want := []string{"message|one", "message|two\nlines", "gap|", "message| a space"}
	for size := 1; size <= len(stream); size += 1 + size/4 {
		got := browsertest.Eval[[]string](p.Browser, fmt.Sprintf(`import("/page/events.js").then(({ Events }) => {
			const got = [], events = new Events((type, data) => got.push(type + "|" + data)), stream = %q;
			for (let at = 0; at < stream.length; at += %d) events.feed(stream.slice(at, at + %[2]d));
			return got;
		})`, stream, size))
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, want %q", size, got, want)
		}
	}
	if !browsertest.Eval[bool](p.Browser, `import("/page/events.js").then(({ Events }) => {
		const events = new Events(() => {});
		try {
			for (let i = 0; i < 100; i++) events.feed("x".repeat(1 << 20));
		} catch {
			return true;
		}
		return false;
	})`) {
		t.Error("a line without an end is kept")
	}
}
