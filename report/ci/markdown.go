package ci

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/check"
)

// Markdown writes o for a page on GitHub: the conclusion, a table, what a reader must know, and
// the command. Names and texts are shown as they are, whatever Markdown or HTML they hold.
func Markdown(w io.Writer, o Outcome) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### pushpull: %s\n\n%s\n\n", escape(o.title()), escape(o.Words))
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
	heads := []string{"transport", "delivered", "lost", "p50 ms", "p95 ms", "p99 ms", "max ms", "requests/message", "bytes/message"}
	stores := anyRow(o, func(row result.Row) bool { return row.Store != nil })
	if stores {
		heads = append(heads, "store reads/message")
	}
	if anyRow(o, func(row result.Row) bool { return row.Servers > 1 }) {
		heads = append(heads, "CPU of all servers µs/message")
	} else {
		heads = append(heads, "server CPU µs/message")
	}
	writeRow(out, heads)
	writeRow(out, align(len(heads), 1))
	for _, side := range o.Sides {
		for _, row := range side.Rows {
			of := func(value float64) string {
				if row.Delivered == 0 {
					return "-"
				}
				return number(value, digits)
			}
			reads, cpu := "-", "-"
			if row.StorePerDelivery != nil {
				reads = of(row.StorePerDelivery.Reads)
			}
			if row.Server != nil {
				cpu = of(row.Server.CPUMicrosPerDelivery)
			}
			cells := []string{
				code(row.Transport), fmt.Sprintf("%d/%d", row.Delivered, row.Expected), fmt.Sprint(row.Lost),
				of(row.Latency.P50), of(row.Latency.P95), of(row.Latency.P99), of(row.Latency.Max),
				of(row.RequestsPerDelivery), of(row.BytesPerDelivery),
			}
			if stores {
				cells = append(cells, reads)
			}
			writeRow(out, append(cells, cpu))
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
		if nothing(c) {
			continue
		}
		base, head, interval, allowed := "-", "-", "-", "-"
		if c.Verdict != check.Unknown {
			base, head = quantity(c.Base, c.Unit), quantity(c.Head, c.Unit)
		}
		if c.Low != 0 || c.High != 0 {
			interval = change(c.Low) + " to " + change(c.High)
		}
		if c.Gated {
			allowed = "0"
			if c.Limit != 0 {
				allowed = change(c.Limit)
			}
		}
		verdict := string(c.Verdict)
		if c.Regression() {
			verdict = "**" + verdict + "**"
		}
		writeRow(out, []string{
			code(c.Transport), escape(c.Metric), escape(base), escape(head),
			change(c.Ratio), interval, change(c.Detectable), allowed, verdict,
		})
	}
}

// nothing says whether there is nothing to see: the faults that neither side has are many.
func nothing(c check.Comparison) bool {
	return c.Verdict == check.Same && c.Base == 0 && c.Head == 0
}

func writeRow(out *strings.Builder, cells []string) {
	// A pipe ends a cell even within code, unless there is a backslash before it.
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// align returns the line below the heads: names on the left, numbers on the right.
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

// remarks returns what a reader must know beside the numbers.
func remarks(o Outcome) []string {
	if o.Check != nil {
		return remarksOfCheck(o.Check)
	}
	var texts []string
	for _, side := range o.Sides {
		for _, row := range side.Rows {
			for _, d := range row.Doubts {
				about := code(row.Transport)
				if d.Fatal {
					about += " is **not to be believed**"
				}
				texts = append(texts, about+": "+escape(d.Text))
			}
		}
		for _, name := range side.missing() {
			texts = append(texts, code(name)+": not measured")
		}
	}
	return texts
}

func remarksOfCheck(rep *check.Report) []string {
	var texts []string
	for _, text := range distrust(rep) {
		texts = append(texts, "**not to be believed**: "+escape(text))
	}
	for _, text := range rep.Warnings[rep.Doubts:] {
		texts = append(texts, escape(text))
	}
	unseen := 0
	type about struct{ transport, note string }
	var order []about
	metrics := map[about][]string{}
	for _, c := range rep.Comparisons {
		if nothing(c) {
			unseen++
		}
		if c.Note != "" {
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
		where := "Measured " + machine(side.Result.Run)
		if side.Name != "" {
			where = side.Name + " was measured " + machine(side.Result.Run)
		}
		fmt.Fprintf(out, "\n%s.\n", escape(where))
	}
	commands = slices.Compact(commands) // that of a duet is one
	fence := strings.Repeat("`", max(3, longestRun(strings.Join(commands, " "))+1))
	fmt.Fprintf(out, "\n%ssh\n%s\n%s\n", fence, strings.Join(commands, "\n"), fence)
}

// machine says in one line when and where a run was measured.
func machine(run result.Run) string {
	env := run.Environment
	parts := []string{run.Started.Format("2006-01-02 15:04 MST")}
	if env.CPU != "" {
		parts = append(parts, fmt.Sprintf("on %s, %s", env.CPU, plural(env.Cores, "core")))
	}
	if env.OS != "" {
		parts = append(parts, env.OS)
	}
	return strings.Join(append(parts, "with pushpull "+env.Pushpull), ", ") + servers(run.Scenario)
}

// servers says on what else than one server in memory a run was measured, after a comma.
func servers(s result.Scenario) string {
	var words string
	if s.Servers > 1 {
		words = ", " + plural(s.Servers, "server")
	}
	if name := store(s); name != "" {
		words += ", store " + line(name)
	}
	return words
}

// store returns the kind of the servers' store; "" in memory, as older results say nothing then.
func store(s result.Scenario) string {
	if s.Store == "memory" {
		return ""
	}
	return s.Store
}

// special are the characters that Markdown could take for more than themselves.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `#`, `\#`, `~`, `\~`, `!`, `\!`, `$`, `\$`,
	"://", `\://`, `&`, "&amp;", `<`, "&lt;",
)

// escape shows s as the text it is.
func escape(s string) string { return special.Replace(line(s)) }

// code shows s as code, in which nothing but a backtick is special.
func code(s string) string {
	s = line(s)
	fence := strings.Repeat("`", longestRun(s)+1)
	if s == "" || strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// longestRun returns how many backticks follow each other in s at most.
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
