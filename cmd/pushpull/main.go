// Command pushpull compares short polling, long polling and WebSockets on one server and one
// store. See pushpull --help.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr := newStreams(os.Stdout, os.Stderr)
	again := watchSignals(cancel)
	go func() {
		<-again // a second signal doesn't wait for the command to stop
		fmt.Fprintln(stderr, "pushpull: interrupted twice: ended at once")
		stderr.end(ctx)
		os.Exit(exitFailed)
	}()
	root := newRootCommand()
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	err = printed(err, flush(stdout))
	if err != nil {
		complain(stderr, "pushpull: "+complaint(cmd, err, os.Args[1:]))
	}
	stderr.end(ctx)
	os.Exit(exitCode(err))
}
