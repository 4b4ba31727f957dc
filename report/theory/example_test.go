package theory_test

import (
	"fmt"

	"pushpull/report/theory"
)

// A user polls every 5 seconds in a room with one message every 2 seconds.
func ExampleShortPoll() {
	s := theory.ShortPoll{Interval: 5, Rate: .5} // seconds, messages per second
	fmt.Printf("wait: mean %.2f s, p99 %.2f s\n", s.MeanWait(), s.WaitQuantile(.99))
	fmt.Printf("requests: %.1f per second, %.1f per message\n", s.RequestsPerSecond(), s.RequestsPerMessage())
	fmt.Printf("answers: %.0f%% empty, %.2f messages in the others\n", 100*s.EmptyShare(), s.MessagesPerAnswer())
	// Output:
	// wait: mean 2.50 s, p99 4.95 s
	// requests: 0.2 per second, 0.4 per message
	// answers: 8% empty, 2.72 messages in the others
}

// Requests are held for 30 seconds in a room with 5 messages per second. A message wakes its request
// within 0.5 ms, and 20 ms after each answer the next request arrives.
func ExampleLongPoll() {
	l := theory.LongPoll{Gap: .020, Rate: 5, Hold: 30, Wake: .0005} // seconds, messages per second
	fmt.Printf("requests: %.2f per second, %.2f per message\n", l.RequestsPerSecond(), l.RequestsPerMessage())
	fmt.Printf("messages that miss a pending request: %.1f%%\n", 100*l.GapShare())
	fmt.Printf("wait: mean %.2f ms, p99 %.1f ms\n", 1e3*l.MeanWait(), 1e3*l.WaitQuantile(.99))
	// Output:
	// requests: 4.96 per second, 0.99 per message
	// messages that miss a pending request: 9.9%
	// wait: mean 0.99 ms, p99 18.0 ms
}

// In the first 20 seconds after joining, no request has been held for its 30 seconds yet, so that
// only messages cause answers. A measurement that starts then must not be compared with the long run.
func ExampleLongPoll_Requests() {
	l := theory.LongPoll{Rate: .01, Hold: 30}
	fmt.Printf("first 20 s: %.2f requests\n", l.Requests(0, 20))
	fmt.Printf("20 s in the long run: %.2f requests\n", 20*l.RequestsPerSecond())
	// Output:
	// first 20 s: 0.20 requests
	// 20 s in the long run: 0.77 requests
}

// The server reads the store every 50 ms for a held request, even in a quiet room.
func ExampleLongPollScan() {
	l := theory.LongPollScan{Gap: .020, Rate: .5, Hold: 30, Scan: .050}
	fmt.Printf("mean wait: %.1f ms\n", 1e3*l.MeanWait())
	fmt.Printf("store reads: %.1f per second\n", l.ReadsPerSecond())
	// Output:
	// mean wait: 24.9 ms
	// store reads: 20.3 per second
}

// A room's reader writes each message to 100 members; a write takes 20 µs.
func ExampleFanOut() {
	f := theory.FanOut{Members: 100, Writers: 1, Write: 20e-6, Rate: 100}
	fmt.Printf("load: %.0f%%\n", 100*f.Busy())
	fmt.Printf("until written: mean %.2f ms, p99 %.2f ms\n", 1e3*f.Mean(), 1e3*f.Distribution().Quantile(.99))
	// Output:
	// load: 20%
	// until written: mean 1.26 ms, p99 3.99 ms
}

// A latency is the sum of independent times: here 1 or 2 ms to send a message, then the wait of a
// short poll.
func ExampleDistribution_Plus() {
	send := theory.Of(.001, .002) // seconds
	wait := theory.ShortPoll{Interval: 5, Rate: .5}.Wait()
	latency := send.Plus(wait)
	fmt.Printf("mean %.4f s, p50 %.2f s, p99 %.2f s\n", latency.Mean(), latency.Quantile(.5), latency.Quantile(.99))
	// Output:
	// mean 2.5015 s, p50 2.50 s, p99 4.95 s
}
