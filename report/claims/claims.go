// Package claims lists what others have claimed about the transports, and judges each claim by results.
//
// A claim is in this list with its source, the loads that come nearest to its own set-up, what is computed from
// their results, and why these may differ from what was claimed. The package measures nothing and draws nothing.
package claims

import (
	"embed"
	"fmt"
	"slices"
)

// A Claim is what somebody has claimed, and how it is judged.
type Claim struct {
	Name   string // on the command line, like "poll-5s"
	Title  string
	Says   string // in the words of its source, or near them
	Source Source
	Setup  string   // how its set-up is measured, and what is different
	Cases  []string // the loads that are measured
	Browse bool     // a real browser opens streams, too
	Why    string   // why what was measured differs: causes, without figures of this machine

	judge func(m *Measured, f *Finding) error
}

// A Source is where a claim was made.
type Source struct {
	Authors string `json:"authors"`
	Title   string `json:"title"`
	Year    string `json:"year"`    // or "undated"
	Address string `json:"address"` // a URL, or the one of a DOI
}

// String writes the source in a line.
func (s Source) String() string {
	return fmt.Sprintf("%s, %q (%s), %s", s.Authors, s.Title, s.Year, s.Address)
}

// List returns all claims.
func List() []Claim {
	return []Claim{quantum(), sensor(), transits(), bandwidth(), pollEveryFive(), sixStreams(), state()}
}

// Names returns the names of all claims.
func Names() (names []string) {
	for _, c := range List() {
		names = append(names, c.Name)
	}
	return names
}

// Find returns the claim of that name.
func Find(name string) (Claim, bool) {
	all := List()
	i := slices.IndexFunc(all, func(c Claim) bool { return c.Name == name })
	if i < 0 {
		return Claim{}, false
	}
	return all[i], true
}

// A Case is a load that claims are measured with. Several claims may share one.
type Case struct {
	Name string // that of its scenario
	TLS  bool
	HTTP string // version that users speak; empty: 1.1
}

// Cases returns the cases of the claims, each once, in the order of the claims.
func Cases(of []Claim) (all []Case) {
	for _, c := range of {
		for _, name := range c.Cases {
			one := caseOf(name)
			if !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all
}

// caseOf returns the case of that name. Those that are left out here are plain HTTP/1.1.
func caseOf(name string) Case {
	switch name {
	case updates:
		return Case{Name: name, TLS: true}
	case updatesHTTP2:
		return Case{Name: name, TLS: true, HTTP: "2"}
	}
	return Case{Name: name}
}

//go:embed cases/*.yaml
var files embed.FS

// Scenario returns the YAML of the case's scenario.
func (c Case) Scenario() ([]byte, error) {
	data, err := files.ReadFile("cases/" + c.Name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the scenario of the case %s: %w", c.Name, err)
	}
	return data, nil
}
