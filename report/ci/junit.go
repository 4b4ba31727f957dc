package ci

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"pushpull/loadgen/result"
	"pushpull/report/check"
	"pushpull/report/text"
)

// JUnit writes o as JUnit XML. A run has a test case for each transport, which fails if its numbers are
// not to be believed or it was not measured. A check has a test case for each metric of each transport,
// which fails if it is a regression, or if base gates it and head was not judged on it; it is skipped if
// that is allowed. One more has an error if the check is not to be believed.
func JUnit(w io.Writer, o Outcome) error {
	suite := junit.Testsuite{Time: seconds(0)}
	var measured float64
	for _, side := range o.Sides { // a check gets the name and the start of the last side, its head
		run := side.Result.Run
		suite.Name = line(run.Scenario.Name)
		suite.SetTimestamp(run.Started)
		property := func(name, value string) {
			if value = line(value); value != "" {
				suite.AddProperty(strings.TrimSpace(side.Name+" "+name), value)
			}
		}
		property("command", run.Command)
		property("pushpull", run.Environment.Pushpull)
		property("cpu", run.Environment.CPU)
		property("cores", fmt.Sprint(run.Environment.Cores))
		property("os", run.Environment.OS)
		for _, row := range side.Rows {
			measured += row.DurationS
		}
	}
	suite.Time = seconds(measured)
	if o.Check == nil {
		addRows(&suite, o)
	} else {
		addComparisons(&suite, o.Check)
	}
	suites := junit.Testsuites{Name: "pushpull", Time: suite.Time}
	suites.AddSuite(suite)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	return suites.WriteXML(w)
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// addRows adds the test cases of a run.
func addRows(suite *junit.Testsuite, o Outcome) {
	for _, side := range o.Sides {
		for _, row := range side.Rows {
			test := junit.Testcase{Classname: suite.Name, Name: line(row.Transport), Time: seconds(row.DurationS)}
			if reasons := fatal(row); len(reasons) > 0 {
				test.Failure = doubt(reasons)
				if !row.Measured() {
					test.Failure.Message, test.Failure.Type = reasons[0], "missing" // it begins with "not measured"
				}
			}
			if row.Lacking != "" {
				test.Skipped = &junit.Result{Message: line(row.Lacking)}
			}
			test.SystemOut = output(doubts(row, false))
			suite.AddTestcase(test)
		}
		for _, name := range side.missing() {
			suite.AddTestcase(junit.Testcase{
				Classname: suite.Name, Name: line(name), Failure: &junit.Result{Message: "not measured", Type: "missing"},
			})
		}
	}
}

// addComparisons adds the test cases of a check. They have no times, as the comparisons of a transport
// share its windows.
func addComparisons(suite *junit.Testsuite, rep *check.Report) {
	for _, c := range rep.Comparisons {
		test := junit.Testcase{Classname: line(c.Transport), Name: line(c.Metric)}
		said := output([]string{summary(c), line(c.Note)})
		switch {
		case c.Regression():
			test.Failure = &junit.Result{Message: summary(c), Type: "regression", Data: said.Data}
		case c.Omission():
			test.Failure = &junit.Result{Message: "not judged: " + reason(c), Type: "not judged", Data: said.Data}
		case c.Unjudged:
			test.Skipped = &junit.Result{Message: "not judged, allowed: " + reason(c)}
		case c.Verdict == check.Unknown, c.Verdict == check.Missing:
			test.Skipped = &junit.Result{Message: reason(c)}
		case c.Verdict == check.TooFew:
			test.Skipped = &junit.Result{Message: reason(c)}
			test.SystemOut = said
		default:
			test.SystemOut = said
		}
		suite.AddTestcase(test)
	}
	believed := junit.Testcase{Classname: suite.Name, Name: "to be believed"}
	if reasons := distrust(rep); len(reasons) > 0 {
		believed.Error = doubt(reasons)
	}
	suite.AddTestcase(believed)
	var warnings []string
	for _, warning := range rep.Warnings[rep.Doubts:] {
		warnings = append(warnings, line(warning))
	}
	suite.SystemOut = output(warnings)
}

// doubt returns a failure or error with the reasons, of which there must be one.
func doubt(reasons []string) *junit.Result {
	return &junit.Result{
		Message: "not to be believed: " + reasons[0], Type: "doubt", Data: strings.Join(reasons, "\n"),
	}
}

// reason returns the reason why a comparison has no verdict.
func reason(c check.Comparison) string {
	return strings.TrimSuffix(string(c.Verdict)+": "+line(c.Note), ": ")
}

// output returns the lines as the output of a test; nil if all are empty.
func output(lines []string) *junit.Output {
	text := strings.TrimSpace(strings.Join(lines, "\n"))
	if text == "" {
		return nil
	}
	return &junit.Output{Data: text}
}

// quantity writes a value of a metric. Its unit may come from a file, so it can be any text.
func quantity(m result.Metric, x float64) string { return line(text.Quantity(m.Typeset(), x)) }

// values writes the values of base and head; "-" for one that is not known.
func values(c check.Comparison, m result.Metric) (base, head string) {
	base, head = quantity(m, c.Base), quantity(m, c.Head)
	switch c.Verdict {
	case check.Unknown:
		return "-", "-"
	case check.Missing:
		return base, "-"
	}
	return base, head
}

// summary returns a comparison as one line.
func summary(c check.Comparison) string {
	base, head := values(c, c.Of())
	said := fmt.Sprintf("%s: base %s, head %s", c.Verdict, base, head)
	if c.Ratio != 0 {
		said += ", ratio " + number(c.Ratio, digits+1)
	}
	if c.Low != 0 || c.High != 0 {
		said += fmt.Sprintf(" (95%% interval %s to %s)", number(c.Low, digits+1), number(c.High, digits+1))
	}
	if c.Limit != 0 {
		said += ", allowed up to " + number(c.Limit, digits+1)
	}
	return said
}
