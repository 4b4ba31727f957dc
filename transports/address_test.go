package transports

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
)

func TestRedacted(t *testing.T) {
	for address, want := range map[string]string{
		"memory:":                             "memory:",
		"":                                    "",
		"sqlite:/tmp/chat.db":                 "sqlite:/tmp/chat.db",
		"postgres://me:secret@localhost/chat": "postgres://me:xxxxx@localhost/chat",
		"postgres://localhost/chat?password=secret":        "postgres://localhost/chat?password=xxxxx",
		"nats://secret@localhost":                          "nats://xxxxx@localhost",
		"redis://:secret@localhost":                        "redis://:xxxxx@localhost",
		"postgres://me:sec%ret@localhost":                  "postgres:...",
		"http://127.0.0.1:8080":                            "http://127.0.0.1:8080",
		"HTTP://Host:/":                                    "HTTP://Host:/",
		"http://[fe80::1%25eth0]:80/a%2Fb/":                "http://[fe80::1%25eth0]:80/a%2Fb/",
		"http://":                                          "http://",
		"localhost:8080":                                   "localhost:8080",
		"http://tester:secret@host/chat":                   "http://xxxxx@host/chat",
		"https://secret:x@host":                            "https://xxxxx@host",
		"http://secret@host":                               "http://xxxxx@host",
		"http://secret:@host":                              "http://xxxxx@host",
		"http://tester:secret@secret@host":                 "http://xxxxx@host",
		"http://host/?token=secret&x=secret":               "http://host/?token=xxxxx&x=xxxxx",
		"http://host?secret":                               "http://host?xxxxx",
		"http://host/?user=me@secret":                      "http://host/?user=xxxxx",
		"http://host/#secret":                              "http://host/#xxxxx",
		"http://host/#secret?secret":                       "http://host/#xxxxx",
		"http://host/?a=secret#secret":                     "http://host/?a=xxxxx#xxxxx",
		"http://tester:secret":                             "http:...",
		"http://tester:1/secret@host":                      "http://tester:1/xxxxx@host",
		"http:/tester:secret@host":                         "http:/xxxxx@host",
		"http:tester:secret@host":                          "http:xxxxx@host",
		"tester:secret@host":                               "tester:xxxxx@host",
		"//tester:secret@host/x":                           "//tester:xxxxx@host/x",
		"secret@host":                                      "xxxxx@host",
		" http://tester:secret@host":                       "...",
		"http://tester:sec ret@host":                       "http:...",
		"http://host\n/?token=secret":                      "http:...",
		"postgres:host=localhost password=secret":          "postgres:host=xxxxx password=xxxxx",
		"nats://me:secret@one:4222,nats://me:secret@two:1": "nats://me:xxxxx@one:4222,nats:/xxxxx@two:1",
	} {
		if got := Redacted(address); got != want {
			t.Errorf("%q is shown as %q, want %q", address, got, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	const target = "https://tester:s3cr%21t@host/chat?token=a1b2c3&n=1"
	s := SecretsOf(target, "http://plain")
	for text, want := range map[string]string{
		"reaching " + target + " again":             "reaching https://xxxxx@host/chat?token=xxxxx&n=xxxxx again",
		"Cannot GET /chat?after=7&token=a1b2c3":     "Cannot GET /chat?after=7&token=xxxxx",
		"bad token a1b2c3 of 1":                     "bad token xxxxx of 1",
		"the password is s3cr!t, or s3cr%21t":       "the password is xxxxx, or xxxxx",
		"Authorization: Basic dGVzdGVyOnMzY3IhdA==": "Authorization: Basic xxxxx",
		"/rooms/1?n=1":                              "/rooms/1?n=xxxxx",
		"tester at http://plain":                    "tester at http://plain",
	} {
		if got := s.Redact(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	if err := s.RedactError(fmt.Errorf("a1b2c3: %w", io.EOF)); err.Error() != "xxxxx: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if s.RedactError(nil) != nil || SecretsOf("http://plain") != nil || SecretsOf().Redact("a") != "a" || SecretsOf().RedactError(io.EOF) != io.EOF {
		t.Error("without secrets something is changed")
	}
}

// FuzzRedacted plants a secret where an address has its secrets. It is never shown.
func FuzzRedacted(f *testing.F) {
	f.Add("http", "tester", "host/chat", "token", "/")
	f.Add("nats", "", "[::1]:80", "", "?")
	f.Add("postgres", "me", "host:1", "a&b", "@")
	f.Add("", "me", "host", "#", ":")
	f.Fuzz(func(t *testing.T, scheme, user, host, name, junk string) {
		const secret = "S3CR3T"
		if strings.Contains(scheme+user+host+name+junk, secret) {
			t.Skip()
		}
		for _, address := range []string{
			scheme + "://" + user + ":" + secret + "@" + host,
			scheme + "://" + user + ":" + secret + "@" + host + "?" + name + "=" + secret,
			scheme + "://" + url.QueryEscape(user) + ":" + url.QueryEscape(junk+secret) + "@" + host + "?" + secret,
		} {
			u, err := url.Parse(address)
			if err == nil && (u.User == nil || strings.Contains(u.Scheme+u.Host+u.Path+u.Opaque, secret)) {
				continue // another address than the one that was meant
			}
			if got := Redacted(address); strings.Contains(got, secret) {
				t.Errorf("%q is shown as %q", address, got)
			}
		}
	})
}
