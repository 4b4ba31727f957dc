//go:build !unix

package server

// tries is what a connection needs to be written to without waiting: on this system there is nothing.
type tries struct{}

// prepare returns whether c can be written to without waiting.
func (c *conn) prepare() bool { return c.wrapsTrier() }

func (c *conn) tryWrite(data []byte) (int, error) { return c.tryWrapped(data) }
