//go:build !unix

package server

import (
	"net"

	"pushpull/transports"
)

// tries is what a connection needs to be written to without waiting: on this system there is nothing.
type tries struct{}

// open returns whether c can be written to without waiting.
func (t *tries) open(c net.Conn) bool {
	_, ok := transports.CanTry(c)
	return ok
}

func (t *tries) try(c net.Conn, data []byte) (int, error) { return tryWrapped(c, data) }
