package check_test

import (
	"fmt"

	"pushpull/loadgen/result"
	"pushpull/report/check"
)

// Two recorded results of the same server, measured in turns.
func ExampleCompare() {
	base, err := result.Open("../../testdata/results/duet/base")
	if err != nil {
		fmt.Println(err)
		return
	}
	head, err := result.Open("../../testdata/results/duet/head")
	if err != nil {
		fmt.Println(err)
		return
	}
	// p50 may grow by 10%. Faults and counts are gated whatever the options are.
	report, err := check.Compare(base, head, check.Options{Gate: []string{"p50"}, MinEffect: 1.1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range report.Comparisons {
		if c.Metric == "p50" {
			fmt.Printf("%s: %s, x%.3f (95%% interval %.3f to %.3f)\n", c.Transport, c.Verdict, c.Ratio, c.Low, c.High)
		}
	}
	fmt.Println(report.Conclusion())
	// Output:
	// short-poll@50ms: same, x0.994 (95% interval 0.984 to 1.003)
	// long-poll: same, x0.999 (95% interval 0.991 to 1.015)
	// websocket: same, x0.998 (95% interval 0.975 to 1.019)
	// No regression.
}
