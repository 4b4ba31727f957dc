package rules_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
)

const signed = `ask: {get: "/prod?room={room}", headers: {X-Own: "a"}, sign: {service: execute-api, region: "${PUSHPULL_REGION:-eu-central-1}"}}`

// TestSign compares a signature with the one that AWS's document makes, "Create a signed AWS API request".
func TestSign(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	d, err := rules.Parse("small.yaml", []byte(strings.Replace(small, `ask: {get: "/socket"}`, signed, 1)))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // so that the time is known: 2000-01-01
		r := speak(t, d, "websocket", "").Ask()
		h, err := r.Sign(&url.URL{Scheme: "https", Host: "x.execute-api.eu-central-1.amazonaws.com", Path: "/prod", RawQuery: "room=room1"}, r.Header)
		if err != nil {
			t.Fatal(err)
		}
		if h.Get("X-Own") != "a" || h.Get("X-Amz-Date") != "20000101T000000Z" || len(r.Header) != 1 {
			t.Errorf("the headers are %v", h)
		}
		sum := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
		mac := func(key, text string) string {
			m := hmac.New(sha256.New, []byte(key))
			m.Write([]byte(text))
			return string(m.Sum(nil))
		}
		canonical := "GET\n/prod\nroom=room1\nhost:x.execute-api.eu-central-1.amazonaws.com\nx-amz-date:20000101T000000Z\nx-amz-security-token:session\nx-own:a\n\nhost;x-amz-date;x-amz-security-token;x-own\n" + sum("")
		key := mac(mac(mac(mac("AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20000101"), "eu-central-1"), "execute-api"), "aws4_request")
		want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20000101/eu-central-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token;x-own, Signature=" +
			hex.EncodeToString([]byte(mac(key, "AWS4-HMAC-SHA256\n20000101T000000Z\n20000101/eu-central-1/execute-api/aws4_request\n"+sum(canonical))))
		if got := h.Get("Authorization"); got != want {
			t.Errorf("signed\n%s, want\n%s", got, want)
		}
	})
}

// TestSignKeys checks that users say which key is missing.
func TestSignKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	d, err := rules.Parse("small.yaml", []byte(strings.Replace(small, `ask: {get: "/socket"}`, signed, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Speak(dialect.Way{Transport: "websocket"}, "room1", ""); err == nil || !strings.Contains(err.Error(), "needs AWS_ACCESS_KEY_ID in the environment") {
		t.Errorf("without a key: %v", err)
	}
	if r := speak(t, d, "long-poll", "").Ask(); r.Sign != nil || r.Method != http.MethodGet {
		t.Error("a request is signed that needn't be")
	}
}
