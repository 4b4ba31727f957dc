package claims

import (
	"fmt"
	"slices"

	"pushpull/loadgen/result"
)

// Measured is what was measured for some claims.
type Measured struct {
	Results map[string]*result.Result // of the cases, by name
	Rows    map[string][]result.Row   // of the same, with theory
	Beside  result.Claims             // what was found beside them

	doubt string // why a row that was asked for is not to be believed; empty: all are
}

// A Finding is a claim and how it came out.
type Finding struct {
	Claim
	Verdict Verdict
	Lacking string // why it could not be judged, in one line; empty: it was judged
	Brief   string // what came out in a few words, with the figures
	Rows    []Row
}

// A Verdict says how a claim came out.
type Verdict string

// The verdicts. Rule says which is which.
const (
	Holds       Verdict = "holds"
	InDirection Verdict = "holds in direction"
	InPart      Verdict = "holds in part"
	Fails       Verdict = "does not hold"
	Unjudged    Verdict = "not judged"
)

// Rule says by which rule claims are judged.
const Rule = "A claim holds if each of its comparisons comes out as it says and each of its figures is within 25%. " +
	"It holds in direction if its comparisons do and a figure doesn't, and in part if only some comparisons do. " +
	"It is not judged if a window that it needs is missing, or is not to be believed."

// near is how far a figure may be from the claimed one, as a ratio.
const near = 1.25

// A Row is a part of a claim, and what came out.
type Row struct {
	What    string  `json:"what"`
	Claimed string  `json:"claimed,omitempty"` // empty: the source says nothing about it
	Found   string  `json:"found"`
	Value   float64 `json:"value,omitempty"` // Found as a number, of a figure
	How     How     `json:"how"`
	Kind    Kind    `json:"kind"`
	Agrees  bool    `json:"agrees"` // false for a remark
}

// How says how a row came about.
type How string

// The ways in which a row comes about.
const (
	ByMeasuring  How = "measured"
	ByDerivation How = "derived" // from measured figures, for a load that was not measured
	ByComputing  How = "computed"
)

// A Kind of row.
type Kind string

// The kinds of rows.
const (
	Figure     Kind = "figure"     // it has to be near the claimed one
	Comparison Kind = "comparison" // it has to come out as claimed
	Note       Kind = "note"       // it judges nothing
)

// figure adds a figure that has to be near the claimed one.
func (f *Finding) figure(how How, what string, claimed, found float64, write func(float64) string) {
	f.Rows = append(f.Rows, Row{
		What: what, Claimed: write(claimed), Found: write(found), Value: found, How: how, Kind: Figure,
		Agrees: found <= near*claimed && claimed <= near*found,
	})
}

// compare adds a comparison.
func (f *Finding) compare(how How, what, claimed, found string, agrees bool) {
	f.Rows = append(f.Rows, Row{What: what, Claimed: claimed, Found: found, How: how, Kind: Comparison, Agrees: agrees})
}

// note adds a row that judges nothing.
func (f *Finding) note(how How, what, found string) {
	f.Rows = append(f.Rows, Row{What: what, Found: found, How: how, Kind: Note})
}

// Judge judges the claims by what was measured.
func Judge(all []Claim, m *Measured) (found []Finding) {
	for _, c := range all {
		f := Finding{Claim: c}
		m.doubt = ""
		if m.Beside.Quick {
			m.doubt = "a quick measurement shows figures and judges nothing: measure without --quick"
		}
		if err := c.judge(m, &f); err != nil {
			f.Rows, f.Brief, m.doubt = nil, "", err.Error()
		}
		f.Verdict, f.Lacking = f.verdict(), m.doubt
		if f.Lacking != "" {
			f.Verdict = Unjudged
		}
		found = append(found, f)
	}
	return found
}

// verdict applies Rule to the rows.
func (f *Finding) verdict() Verdict {
	count := func(kind Kind, agrees bool) (n int) {
		for _, r := range f.Rows {
			if r.Kind == kind && r.Agrees == agrees {
				n++
			}
		}
		return n
	}
	figures, off := count(Figure, true), count(Figure, false)
	right, wrong := count(Comparison, true), count(Comparison, false)
	switch {
	case right+wrong == 0:
		right, wrong = figures, off // the figures are all that it says
		fallthrough
	default:
		switch {
		case right == 0:
			return Fails
		case wrong > 0:
			return InPart
		case off > 0:
			return InDirection
		}
		return Holds
	}
}

// rows returns the rows of several transports in a case, or an error if one of them is missing. If one is not to be
// believed, the claim is not judged.
func (m *Measured) rows(name string, transports ...string) ([]result.Row, error) {
	return m.find(name, nil, transports)
}

// counts is rows for figures that are counted, such as bytes. It makes no difference to them when a message was sent.
func (m *Measured) counts(name string, transports ...string) ([]result.Row, error) {
	return m.find(name, []string{"generator-late"}, transports)
}

// find returns the rows of transports in a case. Doubts with one of the codes don't matter.
func (m *Measured) find(name string, harmless, transports []string) (all []result.Row, err error) {
	for _, transport := range transports {
		i := slices.IndexFunc(m.Rows[name], func(r result.Row) bool { return r.Transport == transport })
		if i < 0 || !m.Rows[name][i].Measured() {
			return nil, fmt.Errorf("%s was not measured with the load %s", transport, name)
		}
		row := m.Rows[name][i]
		for _, d := range row.Doubts {
			if m.doubt == "" && (d.Fatal || d.Code == "interrupted") && !slices.Contains(harmless, d.Code) {
				m.doubt = fmt.Sprintf("%s with the load %s is not to be believed: %s", transport, name, d.Text)
			}
		}
		all = append(all, row)
	}
	return all, nil
}

// scenario returns the scenario of a case that was measured.
func (m *Measured) scenario(name string) result.Scenario { return m.Results[name].Run.Scenario }

// transit returns the milliseconds that a message takes one way over the network of a case.
func (m *Measured) transit(name string) float64 { return 1e3 * m.scenario(name).Network.RTTS / 2 }
