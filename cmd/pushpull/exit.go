package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. They are part of the command line: scripts and CI rely on them.
const (
	exitFine       = 0
	exitFailed     = 1 // the command failed
	exitUsage      = 2 // wrong usage, or a bad scenario
	exitRegression = 3 // the check found a regression
	exitDoubtful   = 4 // measured, but the numbers must not be believed, or not judged
)

// An exitError carries the exit code to main.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith returns an error that ends the process with code. Its text is printed as one line.
func exitWith(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// exitCode returns the exit code for an error.
func exitCode(err error) int {
	if err == nil {
		return exitFine
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitFailed
}

// complaint returns the text of the error that ends cmd with arguments args: one line, without the secrets of
// addresses among them. A usage error points to --help, here alone.
func complaint(cmd *cobra.Command, err error, args []string) string {
	text := redact(strings.ReplaceAll(err.Error(), "\n", "; "), args)
	if exitCode(err) == exitUsage {
		text += " (see " + cmd.CommandPath() + " --help)"
	}
	return text
}
