package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A Capacity is what a search for the largest load has found on each transport, with the results of the loads that
// it has tried. Use NewCapacity to make one.
type Capacity struct {
	set  Set
	of   result.Capacity
	unit string         // of a load, like "users"
	all  []capacityLine // the one that holds most first
}

// A capacityLine is a transport of a capacity.
type capacityLine struct {
	result.Found
	name, call string // in tables and in sentences
	style      style
	loads      []capacityLoad // that were measured, ascending
}

// A capacityLoad is a transport at a load, all windows together.
type capacityLoad struct {
	load float64
	row  result.Row
}

// NewCapacity returns the capacity of an index of result.KindCapacity, which has been read or checked, and the
// results of its points; a point that was not measured has a nil result.
func NewCapacity(index result.Index, results []*result.Result) Capacity {
	axis := newSetAxis(index.Axes[0])
	counted := make([]*result.Result, len(results))
	for i, res := range results {
		if res != nil && i < len(index.Points) {
			counted[i] = counting(res, axis.number(index.Points[i].Values[0]), index.Capacity.Found)
		}
	}
	c := Capacity{set: NewSet(index, counted), of: *index.Capacity, unit: "users"}
	if axis.Key == "rate" {
		c.unit = "messages per second and sender"
	}
	var rows []result.Row
	var all []series
	for i, f := range c.of.Found {
		row := result.Row{Transport: f.Transport, Way: f.Way}
		rows = append(rows, row)
		all = append(all, series{Row: row, name: text.Name(f.Transport), row: i})
	}
	styles, call := stylesOf(all), callsOf(rows)
	for i, f := range c.of.Found {
		line := capacityLine{Found: f, name: all[i].name, call: call(rows[i]), style: styles[f.Transport]}
		line.style.mark = i // lines meet, and colours may look alike
		for k, run := range c.set.Runs {
			for _, row := range run.Rows {
				if row.Transport == f.Transport && row.Measured() {
					line.loads = append(line.loads, capacityLoad{axis.number(index.Points[k].Values[0]), row})
				}
			}
		}
		slices.SortFunc(line.loads, func(a, b capacityLoad) int { return cmp.Compare(a.load, b.load) })
		c.all = append(c.all, line)
	}
	slices.SortStableFunc(c.all, func(a, b capacityLine) int { return cmp.Compare(b.Holds, a.Holds) })
	return c
}

// counting returns the result of a load without the windows that don't count.
func counting(res *result.Result, load float64, found []result.Found) *result.Result {
	counted := *res
	counted.Windows = slices.DeleteFunc(slices.Clone(res.Windows), func(w result.Window) bool {
		i := slices.IndexFunc(found, func(f result.Found) bool { return f.Transport == w.Transport })
		return i >= 0 && slices.Contains(found[i].Apart, result.Apart{Load: load, Round: w.Round})
	})
	return &counted
}

// Judged reports whether anything was found out about any transport.
func (c Capacity) Judged() bool {
	return slices.ContainsFunc(c.all, func(l capacityLine) bool { return l.Holds > 0 || l.Breaks > 0 && !l.AtLeast })
}

// at returns the figures of a load; false if it was not measured.
func (l capacityLine) at(load float64) (result.Row, bool) {
	for _, m := range l.loads {
		if m.load == load {
			return m.row, true
		}
	}
	return result.Row{}, false
}

// shares returns the shares that servers and generator used of the CPUs that each may use; false if unknown.
func (c Capacity) shares(row result.Row) (server, generator float64, ok bool) {
	cores := float64(c.set.cores())
	of, left := cores, cores
	if c.of.ServerCPUs > 0 {
		of, left = float64(c.of.ServerCPUs), float64(c.of.GeneratorCPUs)
	}
	if row.Server == nil || row.DurationS <= 0 || of <= 0 || left <= 0 {
		return 0, 0, false
	}
	return row.Server.CPUS / row.DurationS / of, row.Generator.CPUS / row.DurationS / left, true
}

// cores returns the number of CPUs of the machine; 0 if unknown.
func (s *Set) cores() int {
	for _, run := range s.Runs {
		if run.Result != nil {
			return run.Run.Environment.Cores
		}
	}
	return 0
}

// sent returns the messages that a row's users sent in each second, and delivered the copies that arrived.
func sent(row result.Row) (messages, delivered float64) {
	if row.DurationS <= 0 {
		return 0, 0
	}
	return float64(row.Sent) / row.DurationS, float64(row.Delivered) / row.DurationS
}

// most returns how many messages a second the generator could send and receive if it had nothing but its CPU as
// a limit, from its CPU at the largest load that was measured; false if unknown.
func (c Capacity) most(l capacityLine) (float64, bool) {
	if len(l.loads) == 0 {
		return 0, false
	}
	row := l.loads[len(l.loads)-1].row
	_, generator, ok := c.shares(row)
	messages, _ := sent(row)
	if !ok || generator <= 0 || messages <= 0 {
		return 0, false
	}
	return messages / generator, true
}

// load writes a load with its unit.
func (c Capacity) load(x float64) string { return loadNumber(x) + " " + c.unit }

// loadNumber writes a load with up to six digits, and commas in a large one.
func loadNumber(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64) // always parses
	return thousands(strconv.FormatFloat(rounded, 'f', -1, 64))
}

// thousands puts commas between the thousands of a number.
func thousands(number string) string {
	whole, fraction, _ := strings.Cut(number, ".")
	var parts []string
	for len(whole) > 3 {
		parts = slices.Insert(parts, 0, whole[len(whole)-3:])
		whole = whole[:len(whole)-3]
	}
	whole = strings.Join(append([]string{whole}, parts...), ",")
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

// rounded writes a number with two digits, and commas.
func rounded(x float64) string {
	number := text.Number(x, 2)
	if x >= 100 {
		number = strconv.FormatFloat(significant(x, 2), 'f', 0, 64)
	}
	return thousands(number)
}

// significant returns x rounded to that many significant digits.
func significant(x float64, digits int) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64) // always parses
	return y
}

// Title returns what was searched in a few words.
func (c Capacity) Title() string {
	return "Capacity of " + text.Name(c.set.Index.Scenario.Name) + " for a p99 of " + text.Duration(1e3*c.of.P99S, 3)
}

// Words returns the answer in sentences: the verdict, and one for each transport.
func (c Capacity) Words() []string {
	words := []string{c.verdict()}
	for _, l := range c.all {
		words = append(words, c.sentence(l))
	}
	return words
}

// verdict says which transport holds most, as far as that is known.
func (c Capacity) verdict() string {
	limit := text.Duration(1e3*c.of.P99S, 3)
	if len(c.all) == 0 || c.all[0].Holds == 0 {
		if !c.Judged() {
			return "No transport could be judged."
		}
		return "No transport holds a p99 of " + limit + " at any load that was tried."
	}
	best := c.all[0]
	var ties []string
	open := false
	for _, l := range c.all {
		if l.Holds*(1+c.of.Precision) >= best.Holds || l.AtLeast && l.Holds > 0 || !l.Complete && l.Holds > 0 && l.Breaks == 0 {
			ties, open = append(ties, l.call), open || l.AtLeast || !l.Complete
		}
	}
	holds := c.load(best.Holds)
	if best.AtLeast {
		holds = "at least " + holds
	}
	switch {
	case len(c.all) == 1 || len(ties) == 1:
		verdict := text.Upper(best.call) + " holds " + holds + " within a p99 of " + limit
		if slices.ContainsFunc(c.all[1:], func(l capacityLine) bool { return l.Windows > 0 }) {
			verdict += ", the most of all"
		}
		return verdict + "."
	case open:
		return "Which transport holds most can't be told here: " + list(ties) + " were not brought to their limit. The most that was seen is " + holds + ", on " + best.call + "."
	}
	return text.Upper(list(ties)) + " hold the most within a p99 of " + limit + ", about " + holds + "."
}

// sentence says what was found for a transport.
func (c Capacity) sentence(l capacityLine) string {
	subject, why := text.Upper(l.call), text.Clean(l.Text)
	switch {
	case l.Holds == 0 && l.Breaks == 0 && l.Windows == 0 && l.Limit != "":
		return subject + " was left out: " + why + "."
	case l.Holds == 0 && l.Breaks == 0:
		return subject + " was not measured."
	case l.Holds == 0 && l.AtLeast:
		return subject + " could not be judged, not even with " + c.load(l.Breaks) + ": " + why + "."
	case l.Holds == 0:
		return subject + " holds no load that was tried: with " + c.load(l.Breaks) + " " + why + "."
	}
	words := subject + " holds "
	if l.AtLeast {
		words += "at least "
	}
	words += c.load(l.Holds)
	if row, ok := l.at(l.Holds); ok {
		messages, _ := sent(row)
		words += fmt.Sprintf(", %s messages a second, with a p50 of %s and a p99 of %s", rounded(messages), text.Duration(row.Latency.P50, 3), text.Duration(row.Latency.P99, 3))
	}
	if !l.Confirmed {
		words += ", in a single window"
	}
	switch {
	case l.Breaks == 0 && !l.Complete:
		words += ". More was not tried"
	case l.Breaks == 0:
		words += ". More was not tried: " + why
	case l.AtLeast:
		words += ". That is a lower bound: with " + loadNumber(l.Breaks) + ", " + why
	default:
		words += ". With " + loadNumber(l.Breaks) + ", " + why
	}
	return words + "."
}

// remarks says what is to be known of how the answers came about.
func (c Capacity) remarks() []Remark {
	var all []Remark
	for _, l := range c.all {
		add := func(format string, args ...any) {
			all = append(all, Remark{About: l.name, Text: fmt.Sprintf(format, args...)})
		}
		if !l.Complete {
			add("the search ended early: the bounds are farther apart than %.0f%%", 100*c.of.Precision)
		}
		if l.Noise > 0 {
			add("of %d windows %d did not hold, or could not be judged, at loads that hold: they don't count", l.Windows, l.Noise)
		}
		if l.Noise > 2 && 4*l.Noise > l.Windows {
			add("the machine was busy with other programs: search again while it is quiet")
		}
		for _, load := range l.Revised {
			add("%s did not hold, or could not be judged, and did hold when measured again", c.load(load))
		}
		for _, load := range l.Above {
			add("%s hold, although less doesn't: something disturbed the measurement, so measure again", c.load(load))
		}
	}
	if c.of.ServerCPUs > 0 && !c.of.Bound {
		all = append(all, Remark{About: "CPUs", Text: fmt.Sprintf(
			"this system can't bind processes to CPUs: only the Go code of the servers was kept to %d of them", c.of.ServerCPUs)})
	}
	return all
}

// setup says what the servers could use.
func (c Capacity) setup() string {
	words := ""
	if access := setupOfAll(c.set.Index.Scenario); access != "" {
		words = "Measured on " + access + ". "
	}
	if c.of.ServerCPUs == 0 {
		words += "Servers and load generator shared all CPUs."
	} else {
		words += fmt.Sprintf("The servers had %s, the load generator %s.", text.Plural(c.of.ServerCPUs, "CPU", "CPUs"), text.Plural(c.of.GeneratorCPUs, "other", "others"))
	}
	return words + fmt.Sprintf(" Loads are within %.0f%%.", 100*c.of.Precision)
}

// capacityLegend explains the columns of the table.
const capacityLegend = "CPU is that of the servers, of what they could use; \"possible\" is what the load generator's own CPU would let it send."

// cells returns the table of all transports: two lines of heading, and one for each transport.
func (c Capacity) cells() [][]string {
	rows := [][]string{
		{"transport", "holds", "sent", "p99", "CPU", "breaks", "by", "possible"},
		{"", c.set.axes[0].short(), "/s", "", "", "at", "", "/s"},
	}
	for _, l := range c.all {
		cells := []string{l.name, "-", "-", "-", "-", "-", "-", "-"}
		if row, ok := l.at(l.Holds); ok {
			messages, _ := sent(row)
			cells[1], cells[2], cells[3] = loadNumber(l.Holds), rounded(messages), text.Duration(row.Latency.P99, 3)
			if l.AtLeast {
				cells[1] = ">=" + cells[1]
			}
			if server, _, known := c.shares(row); known {
				cells[4] = fmt.Sprintf("%.0f%%", 100*server)
			}
		}
		if l.Breaks > 0 {
			cells[5] = loadNumber(l.Breaks)
		}
		if by := cmp.Or(l.Broke, l.Limit); l.Limit == result.OtherPrograms {
			cells[6] = "others"
		} else if by != "" {
			cells[6] = text.Name(by)
		}
		if most, known := c.most(l); known {
			cells[7] = rounded(most)
		}
		rows = append(rows, cells)
	}
	return rows
}

// leftAligned fills up the first column of rows, so that it is aligned to the left.
func leftAligned(rows [][]string) [][]string {
	widest := 0
	for _, row := range rows {
		widest = max(widest, text.Width(row[0]))
	}
	for _, row := range rows {
		row[0] = padded(widest, row[0])
	}
	return rows
}

// Table writes the answer as text for a screen: the sentences, then a table with a line for each transport.
func (c Capacity) Table(w io.Writer, on text.Screen) error {
	var out printout
	for i, sentence := range c.Words() {
		ink := text.Plain
		if i == 0 {
			ink = text.Bold
		}
		out.wrap(on, ink, sentence, 0)
		if i == 0 {
			out.gap()
		}
	}
	out.gap()
	out.wrap(on, text.Plain, c.setup()+" "+capacityLegend, 0)
	rows := c.cells()
	for _, row := range rows {
		for i, cell := range row {
			row[i] = on.Text(cell)
		}
	}
	out.gap()
	last := len(out.blocks) - 1
	out.blocks[last] = append(out.blocks[last], inColumns(on, leftAligned(rows), 1, false)...)
	out.gap()
	for _, r := range c.remarks() {
		out.wrap(on, text.Plain, "! "+r.About+": "+r.Text, 2)
	}
	return out.write(w)
}

// JSON writes the answer as one object.
func (c Capacity) JSON(w io.Writer) error {
	type load struct {
		Load         float64  `json:"load"`
		Windows      int      `json:"windows"`
		Messages     float64  `json:"messages_per_s"`
		Deliveries   float64  `json:"deliveries_per_s"`
		P50          float64  `json:"p50_ms"`
		P99          float64  `json:"p99_ms"`
		ServerCPU    *float64 `json:"server_cpu_share"`    // of the CPUs that the servers may use
		GeneratorCPU *float64 `json:"generator_cpu_share"` // likewise
	}
	type transport struct {
		result.Found
		GeneratorMost *float64 `json:"generator_messages_per_s"` // that its CPUs would allow
		Loads         []load   `json:"loads"`
	}
	out := struct {
		Schema     int             `json:"schema"`
		Answer     string          `json:"answer"`
		Scenario   result.Scenario `json:"scenario"`
		Vary       string          `json:"vary"`
		P99S       float64         `json:"p99_s"`
		Precision  float64         `json:"precision"`
		Repeat     int             `json:"repeat"`
		ServerCPUs int             `json:"server_cpus"`
		Bound      bool            `json:"bound"`
		Transports []transport     `json:"transports"`
	}{
		result.Schema, c.verdict(), c.set.Index.Scenario, c.set.axes[0].Key, c.of.P99S, c.of.Precision, c.of.Repeat,
		c.of.ServerCPUs, c.of.Bound,
		[]transport{},
	}
	for _, l := range c.all {
		t := transport{Found: l.Found, Loads: []load{}}
		if most, known := c.most(l); known {
			t.GeneratorMost = &most
		}
		for _, m := range l.loads {
			one := load{Load: m.load, Windows: m.row.Rounds, P50: m.row.Latency.P50, P99: m.row.Latency.P99}
			one.Messages, one.Deliveries = sent(m.row)
			if server, generator, known := c.shares(m.row); known {
				one.ServerCPU, one.GeneratorCPU = &server, &generator
			}
			t.Loads = append(t.Loads, one)
		}
		out.Transports = append(out.Transports, t)
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
