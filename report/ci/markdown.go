package ci

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/check"
	"pushpull/report/text"
)

// Markdown writes o in GitHub's Markdown: the conclusion, a table, the doubts and warnings, and the
// command. Markdown and HTML in names and texts are escaped.
func Markdown(w io.Writer, o Outcome) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### pushpull: %s\n\n", escape(o.title()))
	for _, paragraph := range o.Words {
		out.WriteString(escape(paragraph) + "\n\n")
	}
	if o.Check == nil {
		writeRows(&out, o)
	} else {
		writeComparisons(&out, o.Check)
	}
	if remarks := remarks(o); len(remarks) > 0 {
		out.WriteString("\n")
		for _, remark := range remarks {
			out.WriteString("- " + remark + "\n")
		}
	}
	writeCommands(&out, o)
	_, err := io.WriteString(w, out.String())
	return err
}

func (o Outcome) title() string {
	if o.Check != nil {
		return o.Check.Scenario.Name + ", base and head"
	}
	return o.Sides[0].Result.Run.Scenario.Name
}

func writeRows(out *strings.Builder, o Outcome) {
	together := anyRow(o, func(row result.Row) bool { return row.Servers > 1 })
	heads := []string{"transport"}
	if len(o.Sides) > 1 {
		heads = append(heads, "run")
	}
	words := len(heads)
	metrics := result.MetricsIn(result.InMarkdown)
	for i, m := range metrics {
		metrics[i] = m.Typeset()
		heads = append(heads, metrics[i].Labelled(m.Heading(together)))
	}
	writeRow(out, heads)
	writeRow(out, align(len(heads), words))
	for _, side := range o.Sides {
		for _, row := range side.Rows {
			cells := []string{code(row.Transport)}
			if len(o.Sides) > 1 {
				cells = append(cells, code(side.Name))
			}
			for _, m := range metrics {
				cells = append(cells, text.Fixed(m, row))
			}
			writeRow(out, cells)
		}
	}
	for _, side := range o.Sides {
		for _, line := range text.Foreign(side.Result.Run, side.Rows) {
			out.WriteString("\n" + escape(line) + "\n")
		}
	}
}

func anyRow(o Outcome, is func(result.Row) bool) bool {
	return slices.ContainsFunc(o.Sides, func(s Side) bool { return slices.ContainsFunc(s.Rows, is) })
}

func writeComparisons(out *strings.Builder, rep *check.Report) {
	heads := []string{"transport", "metric", "base", "head", "change", "95 % range", "detects", "limit", "verdict"}
	writeRow(out, heads)
	writeRow(out, align(len(heads), 2))
	for _, c := range rep.Comparisons {
		if bothZero(c) {
			continue
		}
		base, head := values(c, c.Of().Typeset())
		interval, allowed := "-", "-"
		if c.Low != 0 || c.High != 0 {
			interval = change(c.Low) + " to " + change(c.High)
		}
		switch {
		case c.Gated && c.Limit != 0:
			allowed = change(c.Limit)
		case c.Gated && c.Of().Gate == result.Fault:
			allowed = "0"
		}
		verdict := string(c.Verdict)
		switch {
		case c.Regression():
			verdict = "**" + verdict + "**"
		case c.Omission():
			verdict = "**not judged**: " + verdict
		case c.Unjudged:
			verdict = "allowed: " + verdict
		}
		writeRow(out, []string{
			code(c.Transport), escape(c.Metric), escape(base), escape(head),
			change(c.Ratio), interval, change(c.Detectable), allowed, verdict,
		})
	}
}

// bothZero reports whether base and head are 0. Such comparisons, mostly faults, are not shown.
func bothZero(c check.Comparison) bool {
	return c.Verdict == check.Same && c.Base == 0 && c.Head == 0
}

func writeRow(out *strings.Builder, cells []string) {
	// A pipe ends a cell even within code, unless it follows a backslash.
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// align returns the cells below the heading, which align that many columns of names to the left and the
// others, numbers, to the right.
func align(columns, names int) []string {
	cells := make([]string, columns)
	for i := range cells {
		cells[i] = "--:"
		if i < names {
			cells[i] = ":--"
		}
	}
	return cells
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// remarks returns the doubts and warnings, as Markdown.
func remarks(o Outcome) []string {
	if o.Check != nil {
		return remarksOfCheck(o.Check)
	}
	var texts []string
	for _, side := range o.Sides {
		for _, row := range side.Rows {
			for _, d := range row.Doubts {
				about := code(row.Transport)
				if len(o.Sides) > 1 {
					about += " in " + code(side.Name)
				}
				if d.Fatal && row.Measured() {
					about += " is **not to be believed**"
				}
				texts = append(texts, about+": "+escape(d.Text))
			}
		}
		for _, name := range side.missing() {
			texts = append(texts, code(name)+" was **not measured**")
		}
	}
	return texts
}

func remarksOfCheck(rep *check.Report) []string {
	var texts []string
	for _, text := range distrust(rep) {
		texts = append(texts, "**not to be believed**: "+escape(text))
	}
	for _, gap := range rep.Gaps(rep.Unjudged()) {
		texts = append(texts, "**not judged**: "+escape(gap))
	}
	for _, gap := range rep.Gaps(rep.Allowed()) {
		texts = append(texts, "not judged, allowed: "+escape(gap))
	}
	for _, text := range rep.Warnings[rep.Doubts:] {
		texts = append(texts, escape(text))
	}
	unseen := 0
	type about struct{ transport, note string }
	var order []about
	metrics := map[about][]string{}
	for _, c := range rep.Comparisons {
		if bothZero(c) {
			unseen++
		}
		if c.Note != "" && !c.Unjudged {
			key := about{c.Transport, c.Note}
			if metrics[key] == nil {
				order = append(order, key)
			}
			metrics[key] = append(metrics[key], escape(c.Metric))
		}
	}
	for _, key := range order {
		texts = append(texts, fmt.Sprintf("%s: %s: %s", code(key.transport), strings.Join(metrics[key], ", "), escape(key.note)))
	}
	if unseen > 0 {
		texts = append(texts, plural(unseen, "metric")+" not shown, 0 in base and head")
	}
	return texts
}

func writeCommands(out *strings.Builder, o Outcome) {
	var commands []string
	for _, side := range o.Sides {
		commands = append(commands, line(side.Result.Run.Command))
		where := "Measured " + machine(side.Result)
		if side.Name != "" {
			where = side.Name + " was measured " + machine(side.Result)
		}
		fmt.Fprintf(out, "\n%s.\n", escape(where))
	}
	commands = slices.Compact(commands) // both sides of a duet have the same one
	fence := strings.Repeat("`", max(3, longestRun(strings.Join(commands, " "))+1))
	fmt.Fprintf(out, "\n%ssh\n%s\n%s\n", fence, strings.Join(commands, "\n"), fence)
}

// machine returns in one line when and where a result was measured.
func machine(res *result.Result) string {
	env := res.Run.Environment
	parts := []string{res.Run.Started.Format("2006-01-02 15:04 MST")}
	if env.CPU != "" {
		parts = append(parts, fmt.Sprintf("on %s, %s", env.CPU, plural(env.Cores, "core")))
	}
	if env.OS != "" {
		parts = append(parts, env.OS)
	}
	return strings.Join(append(parts, "with pushpull "+env.Pushpull), ", ") + setup(res)
}

// setup returns the servers, the store, the network, TLS, the version of HTTP and a proxy, each after a comma:
// ", 3 servers, store postgres, over TLS, through nginx". It leaves out one server, the default store, and what there is
// not.
func setup(res *result.Result) string {
	var words string
	if n := res.Servers(); n > 1 {
		words = ", " + plural(n, "server")
	}
	if store := res.Run.Scenario.NotableStore(); store != "" {
		words += ", store " + line(store)
	}
	if p := res.Run.Scenario.Network; !p.IsNone() {
		words += ", network " + line(p.Words())
	}
	if version := res.Run.Scenario.HTTP; version != "" {
		words += ", over HTTP/" + line(version)
	}
	if res.Run.Scenario.TLS {
		words += ", over TLS"
	}
	if via := res.Run.Scenario.Via; via != "" {
		words += ", through " + line(via)
	}
	if a := res.AgentsOf(); a != nil {
		words += ", " + plural(a.Number, "agent") + " on " + line(strings.Join(a.Machines, ", "))
	}
	return words
}

// special escapes the characters with a meaning in Markdown.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `#`, `\#`, `~`, `\~`, `!`, `\!`, `$`, `\$`,
	"://", `\://`, `&`, "&amp;", `<`, "&lt;",
)

// escape returns Markdown that shows s as plain text.
func escape(s string) string { return special.Replace(line(s)) }

// code returns Markdown that shows s as code, in which only backticks are special.
func code(s string) string {
	s = line(s)
	fence := strings.Repeat("`", longestRun(s)+1)
	if s == "" || strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// longestRun returns the length of the longest run of backticks in s.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
