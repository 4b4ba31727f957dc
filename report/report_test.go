package report_test

import (
	"os"
	"testing"

	"pushpull/report"
)

func TestScratch(t *testing.T) {
	dir := os.Getenv("SCRATCH")
	for name, runs := range map[string][]report.Run{
		"one":    {synthetic("", 1, four...)},
		"eight":  {synthetic("", 1, eight...)},
		"three":  {synthetic("before", 1, four...), synthetic("after", 2, four...), synthetic("a third run with a long name", 3, four...)},
		"single": {synthetic("", 1, webSocket)},
	} {
		os.MkdirAll(dir+"/"+name, 0o755)
		if err := report.Write(dir+"/"+name, runs...); err != nil {
			t.Fatal(err)
		}
		report.Table(os.Stdout, runs...)
		for _, r := range runs {
			println(report.Answer(r))
		}
	}
}
