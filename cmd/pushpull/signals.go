package main

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSignals calls stop at the first Ctrl-C, SIGTERM or SIGHUP, which a terminal sends when it closes.
// The channel is closed at a second Ctrl-C or SIGTERM, by which a person asks to end at once. A second
// SIGHUP asks for nothing: shell and kernel may each send one.
//
// A SIGHUP that was ignored when the process started, as by nohup, stays ignored. SIGPIPE is caught, as a
// write to standard output or standard error without a reader would otherwise end the process.
func watchSignals(stop func()) (again <-chan struct{}) {
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ending = append(ending, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, ending...)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	twice := make(chan struct{})
	go func() {
		<-signals
		stop()
		for sig := range signals {
			if sig != syscall.SIGHUP {
				close(twice)
				return
			}
		}
	}()
	return twice
}
