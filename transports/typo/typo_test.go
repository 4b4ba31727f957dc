package typo

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	commands := []string{"run", "serve", "report", "check", "duet", "selftest", "scenarios", "completion", "help"}
	transports := []string{"short-poll", "long-poll", "long-poll-scan", "websocket"}
	stores := []string{"memory:", "sqlite:PATH", "postgres://USER@HOST/DATABASE", "redis://HOST:PORT", "nats:", "nats://HOST:PORT"}
	for _, c := range []struct {
		name  string
		known []string
		want  string
	}{
		{"rum", commands, "run"},
		{"urn", commands, "run"},
		{"Run", commands, "run"},
		{"chekc", commands, "check"},
		{"scenario", commands, "scenarios"},
		{"comp", commands, "completion"},
		{"frobnicate", commands, ""},
		{"r", commands, ""},
		{"p100", []string{"p50", "p95", "p99"}, ""},
		{"", commands, ""},
		{"--", []string{"--users"}, ""},
		{"--us", []string{"--seed", "--users"}, "--users"},
		{"webscket", transports, "websocket"},
		{"longpoll", transports, "long-poll"},
		{"long-poll-", transports, "long-poll"},
		{"telepathy", transports, ""},
		{"postgre://me:secret@localhost", stores, "postgres://USER@HOST/DATABASE"},
		{"memory", stores, "memory:"},
		{"sqllite:a.db", stores, "sqlite:PATH"},
		{"mysql:", stores, ""},
		{"日本", []string{"日本語"}, "日本語"},
		{"run", nil, ""},
	} {
		if got := Nearest(c.name, c.known); got != c.want {
			t.Errorf("%q is taken for %q, want %q", c.name, got, c.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	names := []string{"chat", "rooms"}
	for name, want := range map[string]string{
		"chta":      `unknown scenario "chta": did you mean "chat"?`,
		"elsewhere": `unknown scenario "elsewhere": use chat, rooms`,
		"a\nb":      `unknown scenario "a\nb": use chat, rooms`,
	} {
		if err := Unknown("scenario", name, names); err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := Unknown("flag", "--frobnicate", nil); err.Error() != `unknown flag "--frobnicate"` {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"chat", "chat", 0},
		{"chta", "chat", 1},
		{"cat", "chat", 1},
		{"chaat", "chat", 1},
		{"chap", "chat", 1},
		{"ca", "abc", 3}, // no letter is touched twice
		{"kitten", "sitting", 3},
		{strings.Repeat("a", 1000), "b", 1000},
	} {
		if got := errors(c.a, c.b); got != c.want {
			t.Errorf("%.10q to %.10q takes %d errors, want %d", c.a, c.b, got, c.want)
		}
	}
}
