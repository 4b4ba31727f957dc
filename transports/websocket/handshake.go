package websocket

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"pushpull/transports"
)

// newKey returns the Sec-WebSocket-Key of a new connection: 16 random bytes; RFC 6455, section 4.1. Servers may tell
// connections that are being opened apart by it, as serverless-offline does.
func newKey() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // can't fail
	return base64.StdEncoding.EncodeToString(random)
}

// acceptOf returns the Sec-WebSocket-Accept of a server that has understood a handshake with that
// Sec-WebSocket-Key; RFC 6455, section 4.2.2.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// checkHandshake returns the key of a user's handshake, or an error if it doesn't ask for a WebSocket as
// RFC 6455, section 4.2.1, demands.
func checkHandshake(r *http.Request) (key string, err error) {
	key = r.Header.Get("Sec-WebSocket-Key")
	random, decoded := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	switch {
	case !transports.Lists(r.Header["Connection"], "upgrade"):
		return "", errors.New("a handshake needs the header Connection: Upgrade: a proxy may have dropped it")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "", fmt.Errorf("the version %.20q of WebSocket is not supported: use Sec-WebSocket-Version: 13", r.Header.Get("Sec-WebSocket-Version"))
	case len(r.Header["Sec-Websocket-Key"]) != 1 || decoded != nil || len(random) != 16:
		return "", errors.New("a handshake needs one Sec-WebSocket-Key of 16 random bytes in base64")
	}
	return strings.TrimSpace(key), nil
}

// upgradeHeader returns the header of a user's handshake. It offers no extension and no subprotocol.
func upgradeHeader(key string) http.Header {
	return http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {key},
	}
}

// checkUpgrade returns an error if the header of a 101 doesn't open a WebSocket as it was asked for, with the key
// and the subprotocols that were offered; RFC 6455, section 4.1.
func checkUpgrade(h http.Header, key string, offered []string) error {
	accept, want := h.Get("Sec-Websocket-Accept"), acceptOf(key)
	switch {
	case !transports.Lists(h["Upgrade"], "websocket"):
		return fmt.Errorf("the server switched to the protocol %.100q, not to websocket: is a proxy in between?", strings.Join(h["Upgrade"], ", "))
	case !transports.Lists(h["Connection"], "upgrade"):
		return fmt.Errorf("the server's 101 has the header Connection: %.100q without Upgrade: a proxy may have dropped it", strings.Join(h["Connection"], ", "))
	case accept == "":
		return errors.New("the server's 101 has no Sec-WebSocket-Accept header: a proxy may have dropped it")
	case accept != want:
		return fmt.Errorf("the server's Sec-WebSocket-Accept is %.100q, want %q: a cache may have answered", accept, want)
	case len(h["Sec-Websocket-Extensions"]) > 0:
		return fmt.Errorf("the server uses the extension %.100q, which was not offered: switch it off", strings.Join(h["Sec-Websocket-Extensions"], ", "))
	case len(h["Sec-Websocket-Protocol"]) > 0 && !transports.Lists(offered, strings.Join(h["Sec-Websocket-Protocol"], ", ")):
		return fmt.Errorf("the server chose the subprotocol %.100q, which was not offered", strings.Join(h["Sec-Websocket-Protocol"], ", "))
	}
	return nil
}
