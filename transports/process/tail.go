package process

import (
	"bytes"
	"strings"
	"sync"
)

// mostTail is how many bytes of an output a Tail keeps.
const mostTail = 4 << 10

// A Tail is an io.Writer that keeps the end of a process's output. Its zero value is ready. It is safe for concurrent use.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - mostTail; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

// String returns what is kept, without the spaces around it.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}

// Last returns the last line.
func (t *Tail) Last() string {
	text := t.String()
	return text[strings.LastIndexByte(text, '\n')+1:]
}
