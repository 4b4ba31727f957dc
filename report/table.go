package report

import (
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A column is one property of a series, with two lines of heading.
type column struct {
	head, below string
	left        bool // aligned to the left, as it is words, not a number
	cell        func(series) string
}

// columnOf returns the column of a metric. A heading without a unit is split after its first word, so
// that the column gets narrower.
func columnOf(m result.Metric, all []series) column {
	m = m.Typeset()
	col := column{head: m.Heading(several(all)), below: text.Below(m), cell: func(s series) string { return text.Cell(m, s.Row) }}
	if col.below == "" {
		col.head, col.below, _ = strings.Cut(col.head, " ")
	}
	return col
}

// named returns the columns with the names of the series.
func named(runs int) []column {
	names := []column{{head: "transport", left: true, cell: func(s series) string { return s.name }}}
	if runs > 1 {
		names = append(names, column{head: "run", left: true, cell: func(s series) string { return s.run }})
	}
	return names
}

// A Remark is a doubt, or another warning for readers who compare numbers.
type Remark struct {
	About string // what it is about, mostly a transport
	Text  string
	Fatal bool // the numbers of About are not to be believed
}

// remarksOf returns the doubts, the transports that were not measured, and the differences between runs.
func remarksOf(runs []Run, all []series) []Remark {
	var remarks []Remark
	for _, s := range all {
		for _, d := range s.Doubts {
			remarks = append(remarks, Remark{s.label(), text.Clean(d.Text), d.Fatal})
		}
	}
	_, labels := namesOf(runs)
	for i, run := range runs {
		for _, transport := range run.missing() {
			about := text.Name(transport)
			if len(runs) > 1 {
				about += between + labels[i]
			}
			remarks = append(remarks, Remark{about, "not measured", false})
		}
	}
	for _, f := range conditions(runs) {
		if f.Differs {
			remarks = append(remarks, Remark{"the runs differ in " + f.Name, strings.Join(f.Values, " | "), false})
		}
	}
	return remarks
}

// distrusted returns the names of the series that are not to be believed.
func distrusted(rows []series, call func(series) string) []string {
	var names []string
	for _, s := range rows {
		for _, d := range s.Doubts {
			if d.Fatal && s.Measured() {
				names = append(names, call(s))
				break
			}
		}
	}
	return names
}

func (s series) doubted(code string) bool {
	for _, d := range s.Doubts {
		if d.Code == code {
			return true
		}
	}
	return false
}
