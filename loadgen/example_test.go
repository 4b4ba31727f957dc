package loadgen_test

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// Run measures a scenario on a running server. Each window is handed over as it ends.
func ExampleRun() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- (&server.Server{Store: new(memory.Store)}).Serve(ctx, l) }()

	scenario, err := loadgen.Parse("pairs.yaml", []byte(`
name: pairs
users: 10
room_size: 2
rate: 20        # messages per second of each user
size: 100       # bytes
duration: 500ms # of the measured part
drain: 5s
rounds: 1
seed: 1
transports: [long-poll, websocket]
`))
	if err != nil {
		panic(err)
	}
	target := &url.URL{Scheme: "http", Host: l.Addr().String()}
	var windows []result.Window
	err = loadgen.Run(ctx, loadgen.Options{Scenario: scenario, Sides: []loadgen.Side{{Target: target}}},
		func(_ int, w *result.Window) error {
			windows = append(windows, *w)
			return nil
		})
	if err != nil {
		panic(err)
	}
	for _, row := range result.Order(result.Rows(windows), scenario.Transports) {
		fmt.Printf("%s delivered %d of %d messages\n", row.Transport, row.Delivered, row.Expected)
	}
	stop()
	if err := <-served; err != nil {
		panic(err)
	}
	// Output:
	// long-poll delivered 100 of 100 messages
	// websocket delivered 100 of 100 messages
}
