package web_test

import (
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/web"
)

// ways has a way of each class.
var ways = map[string]result.Way{
	result.Timer:  {Title: "a timer", EveryS: 5},
	result.Held:   {Title: "held", HoldS: 30},
	result.Scan:   {Title: "a scan", HoldS: 30, ScanS: .05},
	result.Stream: {Title: "a stream", Stream: true},
	result.Duplex: {Title: "both ways", Stream: true, Duplex: true},
}

// Each class of ways has a colour on the pages, and a lane or a word on why there is none.
func TestWays(t *testing.T) {
	for _, class := range result.Classes() {
		way := ways[class]
		if way.Class() != class {
			t.Errorf("%+v is of the class %q, want %q", way, way.Class(), class)
		}
		h := (&web.Pages{Results: &web.Results{Dir: t.TempDir()}, Lanes: []web.Lane{{Name: "mine", Way: way}}}).Handler()
		_, page := get(t, h, "/")
		shown := strings.Contains(page, `data-kind="mine" data-way="`+class+`"`)
		if missing := strings.Contains(page, "can’t show: "+way.Title+"."); shown == missing {
			t.Errorf("a lane of %s is shown: %t; called missing: %t", class, shown, missing)
		}
		_, css := get(t, h, "/page/style.css")
		for _, rule := range []string{`[data-way="` + class + `"] { --hue: var(--` + class + `); }`, "--" + class + ": #"} {
			if !strings.Contains(css, rule) {
				t.Errorf("style.css has no %s", rule)
			}
		}
	}
}
