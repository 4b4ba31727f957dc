package report_test

import (
	"os"
	"testing"

	"pushpull/report"
)

func TestScratch(t *testing.T) {
	dir := os.Getenv("SCRATCH")
	all := edges()
	all["one"] = []report.Run{synthetic("", 1, four...)}
	third := synthetic("a third run with a long name", 3, four...)
	third.Run.Environment.Kernel = "6.9"
	third.Run.Scenario.Users = 300
	all["three"] = []report.Run{synthetic("before", 1, four...), synthetic("after", 2, four...), third}
	for name, runs := range all {
		os.MkdirAll(dir+"/"+name, 0o755)
		if err := report.Write(dir+"/"+name, runs...); err != nil {
			t.Fatal(err)
		}
		println(name)
		report.Table(os.Stdout, runs...)
		for _, r := range runs {
			println(report.Answer(r))
		}
	}
}
