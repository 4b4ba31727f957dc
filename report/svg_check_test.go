package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

var (
	cssColour = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	cssRule   = regexp.MustCompile(`^\.pushpull \[fill="(#[0-9a-f]{6})"\] \{ fill: (#[0-9a-f]{6}) \} \.pushpull \[stroke="(#[0-9a-f]{6})"\] \{ stroke: (#[0-9a-f]{6}) \}$`)
	notNumber = regexp.MustCompile(`[^-0-9.e]+`)
)

// Drawings returns all charts of runs: as wide as a page, and as narrow as a phone.
func Drawings(runs ...Run) [][]byte {
	var all [][]byte
	for _, d := range drawingsOf(figures(seriesOf(runs))) {
		all = append(all, d.svg, d.narrow)
	}
	return all
}

// TrendDrawings is Drawings for the charts of a history.
func TrendDrawings(h History) [][]byte {
	var all [][]byte
	for i, t := range h.Trends {
		for _, d := range drawingsOf(t.figures(i)) {
			all = append(all, d.svg, d.narrow)
		}
	}
	return all
}

// CheckSVG checks that a chart is XML without active elements, that each colour is one and has a dark one,
// and that nothing lies outside.
func CheckSVG(t *testing.T, svg []byte) {
	t.Helper()
	c := svgCheck{T: t, ids: map[string]string{}, dark: map[string]bool{}}
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			c.start(token)
		case xml.CharData:
			c.text(string(token))
		case xml.EndElement:
			c.element.Name.Local = ""
		}
	}
	for _, id := range c.labelled {
		if c.ids[id] == "" {
			t.Errorf("nothing is said in %s", id)
		}
	}
	if len(c.labelled) != 2 {
		t.Errorf("a chart is labelled by %q, want a title and a description", c.labelled)
	}
}

type svgCheck struct {
	*testing.T
	element       xml.StartElement
	width, height float64
	labelled      []string
	ids           map[string]string
	dark          map[string]bool // the light colours that the style sheet replaces
}

func (c *svgCheck) attr(name string) string {
	for _, attr := range c.element.Attr {
		if attr.Name.Local == name {
			return attr.Value
		}
	}
	return ""
}

func (c *svgCheck) numbers(in string) []float64 {
	var all []float64
	for field := range strings.FieldsSeq(notNumber.ReplaceAllString(in, " ")) {
		x, err := strconv.ParseFloat(field, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			c.Errorf("%q has the number %q", in, field)
		}
		all = append(all, x)
	}
	return all
}

func (c *svgCheck) inside(x, y float64) {
	const tolerance = 1
	if x < -tolerance || y < -tolerance || x > c.width+tolerance || y > c.height+tolerance {
		c.Errorf("%v,%v is outside of %v by %v: %v", x, y, c.width, c.height, c.element)
	}
}

func (c *svgCheck) start(element xml.StartElement) {
	c.element = element
	if !slices.Contains([]string{"svg", "path", "text", "title", "desc", "style"}, element.Name.Local) {
		c.Errorf("a chart has a forbidden element <%s>", element.Name.Local)
	}
	for _, attr := range element.Attr {
		switch name, value := attr.Name.Local, attr.Value; {
		case strings.HasPrefix(name, "on"), name == "style", name == "href":
			c.Errorf("a chart has a forbidden attribute %s", name)
		case name == "fill" || name == "stroke":
			if value != "none" && !cssColour.MatchString(value) {
				c.Errorf("%q is no colour", value)
			}
		}
	}
	switch element.Name.Local {
	case "svg":
		box := c.numbers(c.attr("viewBox"))
		c.width, c.height = box[2], box[3]
		c.labelled = strings.Fields(c.attr("aria-labelledby"))
	case "path":
		// Radii and flags of arcs are no places.
		path := regexp.MustCompile(`A[^ ]+ [^ ]+ 0 0 [01] `).ReplaceAllString(c.attr("d"), "L")
		for at := range slices.Chunk(c.numbers(path), 2) {
			c.inside(at[0], at[1])
		}
	}
	for _, name := range []string{"fill", "stroke"} {
		if value := c.attr(name); value != "" && value != "none" && !c.dark[value] {
			c.Errorf("%s has no dark colour", value)
		}
	}
}

func (c *svgCheck) text(text string) {
	switch c.element.Name.Local {
	case "title", "desc":
		c.ids[c.attr("id")] = text
	case "style":
		lines := strings.Split(text, "\n")
		for _, line := range lines[1 : len(lines)-1] {
			rule := cssRule.FindStringSubmatch(line)
			if rule == nil || rule[1] != rule[3] || rule[2] != rule[4] {
				c.Fatalf("a rule of the style sheet is %q", line)
			}
			if rule[1] == rule[2] {
				c.Errorf("%s is not a colour of the charts", rule[1]) // but one of gonum's own
			}
			c.dark[rule[1]] = true
		}
	case "text":
		x, y, size := c.numbers(c.attr("x"))[0], c.numbers(c.attr("y"))[0], c.numbers(c.attr("font-size"))[0]
		style := regular(vg.Length(size), black)
		if c.attr("font-weight") != "" {
			style = bold(vg.Length(size), black)
		}
		width := float64(style.Width(text))
		c.inside(x, y)
		if c.attr("transform") == "" {
			c.inside(x+width, y-size)
		} else {
			c.inside(x, y-width) // all that is turned reads from below
		}
	}
}
