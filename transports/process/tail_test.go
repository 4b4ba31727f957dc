package process

import (
	"fmt"
	"strings"
	"testing"
)

// TestTail writes much more than is kept.
func TestTail(t *testing.T) {
	var output Tail
	for n := range 10_000 {
		fmt.Fprintf(&output, "line %d\n", n)
	}
	if got := output.Last(); got != "line 9999" {
		t.Errorf("the last line is %q", got)
	}
	if n := len(output.text); n > mostTail {
		t.Errorf("%d bytes are kept", n)
	}
	fmt.Fprint(&output, strings.Repeat("x", 10_000))
	if got := len(output.Last()); got != mostTail {
		t.Errorf("%d bytes of a long line are kept, want the last %d", got, mostTail)
	}
	if got := (&Tail{}).Last(); got != "" {
		t.Errorf("the last line of no output is %q", got)
	}
}
