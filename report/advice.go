package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// Advice is the answer to a question about a load: which transport to choose, what it costs, and whether what was
// predicted on the way came true. NewAdvice makes it from results alone.
type Advice struct {
	cost.Choice
	Index     result.Index
	Elsewhere string      // the machine of the costs, if it is another one
	Held      []cost.Held // the largest load, predicted without it
	Sides     []Side      // of the nearest change of the answer

	models   []cost.Model
	faults   map[string]int   // windows with faults, by the name of the model
	measured []*result.Result // those that the models were fitted to
	largest  int              // users of the largest load
}

// A Side is one side of a change of the answer.
type Side struct {
	cost.Side
	Where string `json:"where"` // result.RoleBelow or result.RoleAbove
}

// QuestionOf returns the question of a choice.
func QuestionOf(w result.Wanted) cost.Question {
	return cost.Question{
		Users: float64(w.Users), Rate: w.Rate, WithinS: float64(w.WithinS), Busy: w.Busy, Processors: float64(w.Processors),
		Price: cost.PriceOf(w.Prices), Customary: float64(w.CustomaryS),
	}
}

// NewAdvice fits costs to the results of a choice, which are those of the points of its index in the same order, nil
// where nothing was measured.
func NewAdvice(index result.Index, results []*result.Result, elsewhere string) (*Advice, error) {
	if err := priced(index.Wanted.Prices); err != nil {
		return nil, err
	}
	a := &Advice{Index: index, Elsewhere: elsewhere}
	var smaller []*result.Result
	var largest *result.Result
	for i, r := range results {
		switch {
		case r == nil:
		case sided(index.Points[i]):
		case index.Points[i].Role == result.RoleLargest:
			largest = r
		default:
			smaller = append(smaller, r)
		}
	}
	a.measured = slices.Clone(smaller)
	if largest != nil {
		a.measured = append(a.measured, largest)
		if before, err := cost.Fit(smaller...); err == nil {
			a.Held = cost.HoldOut(before, largest)
		}
	}
	var err error
	if a.models, err = cost.Fit(a.measured...); err != nil {
		return nil, err
	}
	for _, m := range a.models {
		a.largest = max(a.largest, int(m.Base.Users))
	}
	all := slices.Clone(a.measured)
	for i, r := range results {
		if r == nil || !sided(index.Points[i]) {
			continue
		}
		if side, ok := cost.SideOf(a.models, r); ok {
			a.Sides = append(a.Sides, Side{side, index.Points[i].Role})
		}
		all = append(all, r)
	}
	a.faults = cost.Faults(all...)
	// Once they are predicted, the sides tell where the change is better than what is further away.
	if models, err := cost.Fit(all...); err == nil {
		a.models = models
	}
	chosen := slices.DeleteFunc(slices.Clone(a.models), func(m cost.Model) bool { return a.faults[m.Transport] > 0 })
	a.Choice = cost.Choose(chosen, QuestionOf(*index.Wanted))
	return a, nil
}

// sided reports whether a point is a side of a change of the answer.
func sided(p result.Point) bool { return p.Role == result.RoleBelow || p.Role == result.RoleAbove }

// priced returns an error if prices are not all of what has one.
func priced(prices map[string]float64) error {
	var names []string
	for _, t := range new(cost.Price).Tariffs() {
		names = append(names, t.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(prices)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("unknown price %.40q: use %s", name, either(names))
		}
	}
	return nil
}

// Refuted says why the answer is not to be believed, or that there is none; empty: it is.
func (a *Advice) Refuted() string {
	if names := slices.Sorted(maps.Keys(a.faults)); len(names) > 0 {
		return fmt.Sprintf("measured, but not to be believed: %s lost, doubled or misplaced messages in %s", text.Name(names[0]),
			text.Plural(a.faults[names[0]], "window", "windows"))
	}
	if !a.Chosen() {
		return "no transport that was measured is in time: allow more with --within, or name others with --transports"
	}
	if why := a.refutation(); why != "" {
		return "measured, but not to be believed: " + why
	}
	return ""
}

// untimed says which options have a delay that can't be predicted, as the server's round trip is unknown; they can't be
// chosen. It is empty if there are none.
func (a *Advice) untimed() string {
	var names []string
	for _, o := range a.Options {
		if o.P99 == 0 {
			names = append(names, a.call(o))
		}
	}
	if len(names) == 0 {
		return ""
	}
	what := "it"
	if len(names) > 1 {
		what = "them"
	}
	return "How late messages would be with " + list(names) + " can't be predicted, as the round trip to the server is unknown. The answer leaves " + what + " out: compare " + what + " with pushpull run."
}

// refutation says which prediction did not come true; empty: all did.
func (a *Advice) refutation() string {
	const advice = ": measure with --thorough, on a quiet machine"
	for _, h := range a.Held {
		for _, f := range h.Figures {
			if f.Refuted {
				return fmt.Sprintf("the %s of %s with %s users was predicted %s%s", f.Name, text.Name(h.Transport), grouped(float64(h.Users)), wrongBy(f.Off), advice)
			}
		}
	}
	for _, s := range a.Sides {
		if s.Refuted {
			return fmt.Sprintf("%s was predicted to need %s server CPU than %s at %s from %s, and needed %s%s", text.Name(s.First), order(s.Want), text.Name(s.Other),
				perTime(s.Rate), a.sender(), order(s.Got.Value), advice)
		}
	}
	return ""
}

// checks says what was predicted on the way, and whether it came true.
func (a *Advice) checks() []string {
	var said []string
	far := a.Question.Users / float64(a.largest)
	if far > 1.5 {
		said = append(said, fmt.Sprintf("Measured with up to %s users; %s are %s times as many.", grouped(float64(a.largest)), grouped(a.Question.Users), rounded(far)))
	} else {
		said = append(said, fmt.Sprintf("Measured with up to %s users.", grouped(float64(a.largest))))
	}
	said = append(said, a.leftOut()...)
	if a.Elsewhere != "" {
		said = append(said, "The costs are those of another machine: "+text.Clean(a.Elsewhere)+".")
	}
	if len(a.Held) > 0 {
		var parts []string
		for _, name := range figureNames(a.Held) {
			low, high := math.Inf(1), math.Inf(-1)
			for _, h := range a.Held {
				for _, f := range h.Figures {
					if f.Name == name {
						low, high = min(low, f.Off), max(high, f.Off)
					}
				}
			}
			off := percent(low)
			if most := percent(high); most != off {
				off += " to " + most
			}
			parts = append(parts, name+" "+off)
		}
		said = append(said, fmt.Sprintf("Check: %s users were left out and predicted from fewer. The predictions are off by: %s.", grouped(float64(a.Held[0].Users)), strings.Join(parts, ", ")))
	}
	for _, s := range a.Sides {
		how := "The rounds do not tell the two apart."
		switch {
		case s.Refuted:
			how = "The order is not the predicted one."
		case s.Verified:
			how = "The order is as predicted."
		}
		said = append(said, fmt.Sprintf("%s a change that the other points predict, with %s users and %s from %s, %s needed %s times the server CPU of %s (predicted: %s). %s", text.Upper(s.Where), grouped(float64(s.Users)),
			perTime(s.Rate), a.sender(), text.Name(s.First), text.Number(s.Got.Value, 2), text.Name(s.Other), text.Number(s.Want, 2), how))
	}
	if powers := a.powers(); powers != "" {
		said = append(said, "The server CPU does not grow in proportion to the load, but with "+powers+".")
	}
	return said
}

// powers returns the powers of the load with which the server CPU grows; empty if all are 1.
func (a *Advice) powers() string {
	const straight = .03 // as good as 1
	low, high := math.Inf(1), 0.0
	for _, m := range a.models {
		if exponent, linear := m.Linear(); !linear && math.Abs(exponent-1) > straight {
			low, high = min(low, exponent), max(high, exponent)
		}
	}
	switch {
	case high == 0:
		return ""
	case text.Number(low, 2) == text.Number(high, 2):
		return "its power " + text.Number(low, 2)
	}
	return "its powers " + text.Number(low, 2) + " to " + text.Number(high, 2)
}

// leftOut says which transports are no options, and why.
func (a *Advice) leftOut() (said []string) {
	for _, name := range slices.Sorted(maps.Keys(a.faults)) {
		said = append(said, fmt.Sprintf("%s is left out: it lost, doubled or misplaced messages in %s.", text.Name(name), text.Plural(a.faults[name], "window", "windows")))
	}
	for _, spec := range a.Index.Scenario.Transports {
		kind := result.Kind(spec)
		known := func(m cost.Model) bool { return result.Kind(m.Transport) == kind }
		if a.faults[kind]+a.faults[spec] == 0 && !slices.ContainsFunc(a.models, known) {
			said = append(said, text.Name(spec)+" is left out: it was not measured with two numbers of users.")
		}
	}
	return said
}

func figureNames(held []cost.Held) (names []string) {
	for _, h := range held {
		for _, f := range h.Figures {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	return names
}
