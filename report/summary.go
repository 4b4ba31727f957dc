package report

import (
	"strings"
	"time"

	"pushpull/report/text"
)

// Moment is how a report writes a time, which must be in UTC: a layout of package time.
const Moment = "2 January 2006, 15:04 UTC"

// A Summary is what a list of runs shows of one. Its strings are text, fit to be shown.
type Summary struct {
	Scenario  string // its name
	About     string // may be empty
	Load      string // like "200 users, 2 rounds of 20 s"
	Setup     string // servers and store; empty: one server with its store in memory
	Started   time.Time
	Headlines Grid
	Remarks   []Remark
}

// Summarize returns what run found, in short.
func Summarize(run Run) Summary {
	runs := []Run{run}
	all := lay(runs)
	return Summary{
		Scenario:  text.Clean(run.Run.Scenario.Name),
		About:     text.Clean(run.Run.Scenario.About),
		Load:      loadOf(run.Run.Scenario),
		Setup:     strings.Join(setups(runs), ""),
		Started:   run.Run.Started,
		Headlines: tableOf(headlines(all), all),
		Remarks:   remarksOf(runs, all),
	}
}
