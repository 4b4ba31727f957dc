package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/claims"
	"pushpull/report/text"
)

// Claims is what others have claimed, and how it came out. Use NewClaims to make one.
type Claims struct {
	index    result.Index
	measured claims.Measured
	runs     []Run // of the cases that were measured
	findings []claims.Finding
}

// NewClaims judges the claims of an index of result.KindClaims, which has been read or checked, by the results of its
// points; a point that was not measured has a nil result.
func NewClaims(index result.Index, results []*result.Result) Claims {
	c := Claims{index: index, measured: claims.Measured{
		Results: map[string]*result.Result{}, Rows: map[string][]result.Row{}, Beside: *index.Claims,
	}}
	for i, p := range index.Points {
		if i < len(results) && results[i] != nil {
			run := NewRun(p.Dir, results[i])
			c.runs = append(c.runs, run)
			c.measured.Results[p.Dir], c.measured.Rows[p.Dir] = results[i], run.Rows
		}
	}
	var chosen []claims.Claim
	for _, name := range index.Claims.Names {
		if claim, ok := claims.Find(name); ok { // an older pushpull may have had others
			chosen = append(chosen, claim)
		}
	}
	c.findings = claims.Judge(chosen, &c.measured)
	return c
}

// Unjudged says which claims could not be judged, and why, in one line; "" if all were.
func (c Claims) Unjudged() string {
	var names []string
	why := ""
	for _, f := range c.findings {
		if f.Lacking != "" {
			names, why = append(names, f.Name), cmp.Or(why, text.Clean(f.Lacking))
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "not judged: " + names[0] + ": " + why
	}
	return "not judged: " + list(names) + "; " + names[0] + ": " + why
}

// sentences says how the claims came out together.
func (c Claims) sentences() []string {
	by := map[claims.Verdict][]string{}
	for _, f := range c.findings {
		by[f.Verdict] = append(by[f.Verdict], f.Name)
	}
	var parts []string
	for _, v := range []claims.Verdict{claims.Holds, claims.InDirection, claims.InPart, claims.Fails} {
		if n := len(by[v]); n > 0 {
			verb := string(v)
			if n > 1 {
				verb = map[claims.Verdict]string{claims.Holds: "hold", claims.InDirection: "hold in direction", claims.InPart: "hold in part", claims.Fails: "do not hold"}[v]
			}
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n, verb, list(by[v])))
		}
	}
	all := []string{fmt.Sprintf("Of %s, %s.", text.Plural(len(c.findings), "claim", "claims"), list(parts))}
	if len(parts) == 0 {
		all = []string{fmt.Sprintf("None of %s was judged.", text.Plural(len(c.findings), "claim", "claims"))}
	}
	if why := c.Unjudged(); why != "" {
		all = append(all, text.Upper(why)+".")
	}
	return all
}

// claimHead is the head of the table of a claim.
func claimHead() []string { return []string{"", "claimed", "found", "agrees"} }

// claimRow returns the cells of a row of a claim.
func claimRow(r claims.Row) []string {
	agrees := "no"
	switch {
	case r.Kind == claims.Note:
		agrees = "-"
	case r.Agrees:
		agrees = "yes"
	}
	found := r.Found
	if r.How != claims.ByMeasuring {
		found += " (" + string(r.How) + ")"
	}
	return []string{r.What, cmp.Or(r.Claimed, "-"), found, agrees}
}

// Table writes the claims as text for a screen.
func (c Claims) Table(w io.Writer, on text.Screen) error {
	var out printout
	for i, sentence := range c.sentences() {
		ink := text.Plain
		if i == 0 {
			ink = text.Bold
		}
		out.wrap(on, ink, sentence, 0)
	}
	for _, f := range c.findings {
		out.gap()
		out.wrap(on, text.Bold, f.Name+": "+f.Title+": "+string(f.Verdict), 0)
		out.wrap(on, text.Faint, f.Source.String(), 2)
		if f.Lacking != "" {
			out.wrap(on, text.Poorer, "! "+text.Clean(f.Lacking), 2)
		}
		for _, r := range f.Rows {
			cells := claimRow(r)
			line := cells[0] + ": " + cells[2]
			if r.Claimed != "" {
				line += ", claimed " + cells[1]
			}
			mark := map[string]string{"yes": "+", "no": "-", "-": "*"}[cells[3]]
			out.wrap(on, text.Plain, mark+" "+line, 4)
		}
		if len(f.Rows) > 0 {
			out.wrap(on, text.Plain, "Why: "+f.Why, 2)
		}
	}
	out.gap()
	out.wrap(on, text.Plain, "+ agrees, - does not agree, * no claim. "+claims.Rule, 0)
	out.gap()
	for _, r := range c.remarks() {
		if r.Fatal { // the others are on the page
			out.wrap(on, text.Poorer, "! "+r.About+": "+r.Text, 2)
		}
	}
	return out.write(w)
}

// remarks returns the doubts about what was measured.
func (c Claims) remarks() (all []Remark) {
	for _, run := range c.runs {
		for _, r := range remarksOf([]Run{run}, seriesOf([]Run{run})) {
			r.About = run.Name + ", " + r.About
			all = append(all, r)
		}
	}
	return all
}

// Markdown writes a table with a line for each claim.
func (c Claims) Markdown(w io.Writer) error {
	lines := []string{"|claim|verdict|measured|", "|---|---|---|"}
	plain := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, f := range c.findings {
		lines = append(lines, fmt.Sprintf("|%s|%s|%s|", plain.Replace(f.Title), f.Verdict, plain.Replace(cmp.Or(text.Clean(f.Lacking), f.Brief))))
	}
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("writing the table of claims: %w", err)
	}
	return nil
}

// JSON writes the claims as one object.
func (c Claims) JSON(w io.Writer) error {
	type claim struct {
		Name    string         `json:"name"`
		Title   string         `json:"title"`
		Says    string         `json:"claim"`
		Source  claims.Source  `json:"source"`
		Setup   string         `json:"setup"`
		Cases   []string       `json:"cases"`
		Verdict claims.Verdict `json:"verdict"`
		Lacking string         `json:"not_judged,omitempty"` // why
		Rows    []claims.Row   `json:"rows"`
		Why     string         `json:"why"`
	}
	out := struct {
		Schema  int              `json:"schema"`
		Answer  string           `json:"answer"`
		Rule    string           `json:"rule"`
		Claims  []claim          `json:"claims"`
		Browsed []result.Browsed `json:"browsed,omitempty"`
	}{result.Schema, strings.Join(c.sentences(), " "), claims.Rule, []claim{}, c.index.Claims.Browsed}
	for _, f := range c.findings {
		one := claim{f.Name, f.Title, f.Says, f.Source, f.Setup, append([]string{}, f.Cases...), f.Verdict, f.Lacking, append([]claims.Row{}, f.Rows...), f.Why}
		out.Claims = append(out.Claims, one)
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// claimsPage is the data of the page of claims.
type claimsPage struct {
	frame
	Answers  []string
	Rule     string
	Overview table
	Claims   []claimPart
	Remarks  []Remark
	Command  string
	Facts    []facts
}

// A claimPart is a claim on the page.
type claimPart struct {
	claims.Finding
	Figures []pageFigure
	Numbers table
	Cases   []condition
}

// Write draws the claims into dir, which must exist: report.html, and the charts of the claims as .svg and .png. Each
// file is replaced atomically.
func (c Claims) Write(dir string) error {
	var drawings []drawing
	drawn := map[string][]drawing{}
	for name, figures := range c.figures() {
		drawn[name] = drawingsOf(figures)
		drawings = append(drawings, drawn[name]...)
	}
	slices.SortFunc(drawings, func(a, b drawing) int { return cmp.Compare(a.name, b.name) })
	page, err := c.page(drawn)
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawings, Page, page)
}

func (c Claims) page(drawn map[string][]drawing) ([]byte, error) {
	x := c.index
	p := claimsPage{
		frame: frame{Title: "What has been claimed, measured again"}, Rule: claims.Rule, Answers: c.sentences(),
		Command: text.Clean(x.Command), Remarks: c.remarks(),
	}
	if !x.Started.IsZero() {
		p.Lede = append(p.Lede, "Measured on "+x.Started.UTC().Format(Moment)+".")
	}
	if x.Claims.Quick {
		p.Lede = append(p.Lede, "A quick measurement with a fraction of the users and of the time.")
	}
	if note, tags := text.Clean(x.Note), tagsOf(result.Run{Tags: x.Tags}); note != "" || tags != nil {
		p.Notes = append(p.Notes, annotation{Text: note, Tags: tags})
	}
	p.Overview = table{ID: "claims", Title: "Claims"}
	for _, head := range []string{"claim", "year", "verdict", "measured"} {
		p.Overview.Head = append(p.Overview.Head, Cell{Text: head, Left: true})
	}
	for _, f := range c.findings {
		p.Overview.Rows = append(p.Overview.Rows, GridRow{Cells: []Cell{
			{Text: f.Title, Left: true}, {Text: f.Source.Year, Left: true}, {Text: string(f.Verdict), Left: true}, {Text: unbroken(cmp.Or(text.Clean(f.Lacking), f.Brief)), Left: true},
		}})
		p.Claims = append(p.Claims, c.part(f, drawn[f.Name]))
	}
	if len(c.runs) > 0 {
		p.Facts = []facts{{Title: "Environment"}}
		for _, f := range conditions(c.runs[:1]) {
			if !f.setting {
				p.Facts[0].Rows = append(p.Facts[0].Rows, f)
			}
		}
	}
	return render("claims.html", p)
}

// part returns a claim for the page.
func (c Claims) part(f claims.Finding, drawn []drawing) claimPart {
	part := claimPart{Finding: f, Figures: figuresOf(drawn), Numbers: table{ID: f.Name + "-found", Title: "What came out"}}
	part.Lacking = text.Clean(f.Lacking)
	for _, head := range claimHead() {
		part.Numbers.Head = append(part.Numbers.Head, Cell{Text: head, Left: true})
	}
	for _, r := range f.Rows {
		var cells []Cell
		for _, cell := range claimRow(r) {
			cells = append(cells, Cell{Text: unbroken(cell), Left: true})
		}
		part.Numbers.Rows = append(part.Numbers.Rows, GridRow{Cells: cells})
	}
	for _, name := range f.Cases {
		about := "not measured"
		if res := c.measured.Results[name]; res != nil {
			about = text.Clean(res.Run.Scenario.About) + " " + text.Upper(loadOf(res.Run.Scenario)) + "; " + text.Clean(strings.Join(res.Run.Scenario.Transports, ", ")) + "."
		}
		part.Cases = append(part.Cases, condition{Name: name, Values: []string{about}})
	}
	return part
}
