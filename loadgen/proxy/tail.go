package proxy

import (
	"strings"
	"sync"
)

// A tail keeps the end of what a program prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - 4<<10; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// last returns the last line.
func (t *tail) last() string {
	text := t.String()
	return text[strings.LastIndexByte(text, '\n')+1:]
}
