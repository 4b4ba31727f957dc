package main

import (
	"errors"
	"fmt"
)

// Exit codes. They are part of the command line: scripts and CI rely on them.
const (
	exitFine       = 0
	exitFailed     = 1 // it could not be done
	exitUsage      = 2 // wrong usage, or a bad scenario
	exitRegression = 3 // the check found a regression
	exitDoubtful   = 4 // measured, but not to be believed
)

// An exitError carries the exit code to main.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith returns an error that ends the process with code. Its text is the one line that the
// user reads.
func exitWith(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// exitCode is the one place where an error becomes an exit code.
func exitCode(err error) int {
	if err == nil {
		return exitFine
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitFailed
}
