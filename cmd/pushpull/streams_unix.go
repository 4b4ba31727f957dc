//go:build unix

package main

import (
	"errors"
	"syscall"
)

// readerGone reports whether err says that nobody reads the other end of a pipe any more.
func readerGone(err error) bool { return errors.Is(err, syscall.EPIPE) }
