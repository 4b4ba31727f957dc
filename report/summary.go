package report

import (
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Moment is the time.Layout of a time in a report. The time must be in UTC.
const Moment = "2 January 2006, 15:04 UTC"

// A Summary is a run in short, for a list of runs. Its strings are plain text without control characters.
type Summary struct {
	Scenario  string // its name
	About     string // may be empty
	Load      string // like "200 users, 2 rounds of 20 s"
	Setup     string // servers and store; empty: one server with the default store, or unknown
	Started   time.Time
	Note      string   // may be empty
	Tags      []string // like "commit=1a2b3c4"
	Headlines Grid
	Remarks   []Remark
	Point     Point // of the run in a trend
}

// Summarize returns the summary of run.
func Summarize(run Run) Summary {
	runs := []Run{run}
	all := seriesOf(runs)
	return Summary{
		Scenario:  text.Name(run.Run.Scenario.Name),
		About:     text.Clean(run.Run.Scenario.About),
		Load:      loadOf(run.Run.Scenario),
		Setup:     strings.Join(setups(runs), ""),
		Started:   run.Run.Started,
		Note:      text.Clean(run.Run.Note),
		Tags:      tagsOf(run.Run),
		Headlines: gridOf(result.InHeadlines, 1, all),
		Remarks:   remarksOf(runs, all),
		Point:     NewPoint(run),
	}
}
