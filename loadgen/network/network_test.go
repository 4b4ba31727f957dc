package network

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestKnown checks that each known profile is valid and found by its name, and what its texts are.
func TestKnown(t *testing.T) {
	for _, name := range Names() {
		p, err := Parse(name)
		if err != nil || p.String() != name || p.Label() != name {
			t.Errorf("%s is %v, %v", name, p, err)
		}
		if err := p.Validate(); err != nil || p.IsNone() != (name == None) {
			t.Errorf("%s: %v", name, err)
		}
		if name != None && !strings.Contains(Usage(), "  "+name+" ") {
			t.Errorf("%s isn't in the help", name)
		}
	}
	if p, _ := Find("3g"); p.Words() != "3g: 300ms round trip, 768kbit/s up, 1.6Mbit/s down" {
		t.Errorf("3g is %s", p.Words())
	}
	if (Profile{}).Words() != None {
		t.Errorf("none is %s", Profile{}.Words())
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Profile{
		Example:                        {RTTS: .08, JitterS: .02, UpBPS: 5e6, DownBPS: 20e6, Loss: .01},
		"{rtt: 100ms}":                 {RTTS: .1},
		" { loss:0.5%,rtt:1.5s } ":     {RTTS: 1.5, Loss: .005},
		"{up: 1kbit/s, down: 2Gbit/s}": {UpBPS: 1e3, DownBPS: 2e9},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v, want %+v", text, got, err, want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s is written as %s, which is %+v, %v", text, got, again, err)
		}
		if label := got.Label(); strings.ContainsAny(label, `{}:/\ %,`) {
			t.Errorf("%s has the label %s", text, label)
		}
	}
	if p, _ := Parse(Example); p.Label() != "rtt80ms-jitter20ms-up5Mbit-down20Mbit-loss1" ||
		p.Words() != "80ms round trip, jitter 20ms, 5Mbit/s up, 20Mbit/s down, 1% loss" {
		t.Errorf("%s, %s", p.Label(), p.Words())
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  `unknown network "": use lan, wifi, 4g, 3g, satellite, none, ` + Example,
		"5g":                                `unknown network "5g": did you mean "4g"?`,
		"{rtt: 80ms":                        "a } is missing at its end: write it like " + Example,
		"{}":                                `there is "" where a key and its value belong: write it like ` + Example,
		"{80ms}":                            `there is "80ms" where a key and its value belong: write it like ` + Example,
		"{rtt: 80ms, rtt: 90ms}":            "rtt is there twice: leave one out",
		"{rtt: 80}":                         "rtt must be a time with its unit, like 500ms or 5s",
		"{rtt: -1ms}":                       "rtt must be 0s to 1m0s, not -1ms",
		"{rtt: 2m}":                         "rtt must be 0s to 1m0s, not 2m0s",
		"{rtt: 10ms, jitter: 11ms}":         "jitter must be 0s to the rtt, 10ms, not 11ms",
		"{up: 5}":                           `must be a bandwidth with its unit, like 768kbit/s or 5Mbit/s, not "5"`,
		"{up: 5MB/s}":                       `must be a bandwidth with its unit, like 768kbit/s or 5Mbit/s, not "5MB/s"`,
		"{up: .inf Mbit/s}":                 "up must be 1kbit/s to 100Gbit/s, not +InfGbit/s",
		"{down: 1bit/s}":                    "down must be 1kbit/s to 100Gbit/s, not 1bit/s",
		"{loss: 1}":                         `must be a share in percent, like 1%, not "1"`,
		"{loss: 51%}":                       "loss must be 0% to 50%, not 51%",
		"{delay: 1ms}":                      `unknown key "delay": use rtt, jitter, up, down, loss`,
		"{rtt: 0s}":                         "it changes nothing: write none, or a network like " + Example,
		"{" + strings.Repeat("x", 99) + "}": `there is "` + strings.Repeat("x", 40) + `" where a key`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestJSON checks that a profile is what it was once it has been written and read.
func TestJSON(t *testing.T) {
	for _, p := range append(known(), Profile{RTTS: .1, JitterS: 1. / 3, Loss: .01}) {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Profile
		if err := json.Unmarshal(data, &got); err != nil || got != p {
			t.Errorf("%s is %+v, %v", data, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range append(Names(), Example, "{rtt: 1s, loss: 50%}") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v has several lines", text, err)
			}
			return
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%q is written as %s: %v", text, p, err)
		}
		for _, one := range properties() { // a time is written in nanoseconds
			if x, y := *one.field(&p), *one.field(&again); math.Abs(x-y) > 1e-9+1e-9*x {
				t.Errorf("%q is written as %s: %s is %v, not %v", text, p, one.key, y, x)
			}
		}
	})
}

// TestRetransmissions compares how late lost segments are with what the RFCs say.
func TestRetransmissions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > .02*want {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	p := Profile{RTTS: .1, Loss: .1}
	near("the RTO", p.RTO(), .3)
	near("the RTO with jitter", Profile{RTTS: .4, JitterS: .3}.RTO(), .8)
	const n = 200_000
	late, open, twice := 0., 0., 0.
	for range n {
		x := p.Retransmissions(random.Float64)
		if late += x; x > .31 {
			twice++
		}
		open += p.Opening(random.Float64)
	}
	near("the share that is lost twice", twice/n, .1)
	near("the mean of a retransmission", late/n, .3/(1-2*.1)) // RTO times the sum of (2p)ⁿ
	near("the mean of opening", open/n, .1+.19/(1-2*.19))
	if p := (Profile{RTTS: .05}); p.Opening(random.Float64) != .05 {
		t.Error("without loss opening takes longer than a round trip")
	}
}
