// Package network describes the networks between users and servers: how long bytes take, how many of them pass in a
// second, and how often segments are lost. Package relay makes it happen.
//
// It describes one connection, as it is for each user: the bandwidth is not shared with other connections.
package network

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen/input"
	"pushpull/transports/typo"
)

// A Profile is a network. Its zero value is none: bytes go the way that they go by themselves.
type Profile struct {
	Name    string  `json:"name,omitempty"`     // of a known profile; empty: it has none
	RTTS    float64 `json:"rtt_s"`              // seconds that the smallest message and its answer take on their ways, half of them each
	JitterS float64 `json:"jitter_s,omitempty"` // the round trip varies by so many seconds at most, more or less
	UpBPS   float64 `json:"up_bps,omitempty"`   // bits a second from the user to the server; 0: no limit
	DownBPS float64 `json:"down_bps,omitempty"` // bits a second from the server to the user; 0: no limit
	Loss    float64 `json:"loss,omitempty"`     // share of the segments that are lost
}

// None is the name of the zero Profile.
const None = "none"

const (
	kilobit = 1e3
	megabit = 1e6
	gigabit = 1e9
)

// known are the profiles with a name, and where their numbers come from.
//
//   - lan is an Ethernet of 1 Gbit/s. Its round trip of 1 ms is our own choice, for a few switches and a router.
//   - wifi is "Wi-Fi" of the developer tools of Firefox: 30 and 15 Mbit/s, 2 ms
//     (https://github.com/mozilla/gecko-dev/blob/master/devtools/client/shared/components/throttling/profiles.js).
//   - 4g and 3g are those of WebPageTest: 9 Mbit/s both ways and 170 ms; 1.6 Mbit/s down, 768 kbit/s up and 300 ms
//     (https://github.com/WPO-Foundation/webpagetest/blob/master/www/settings/connectivity.ini.sample). Neither loses
//     segments there: mobile links send again by themselves what is lost on the air.
//   - satellite is "Satellite phone" of Loadero: 1 Mbit/s down, 256 kbit/s up and 600 ms
//     (https://wiki.loadero.com/test-creation/participant-configuration/network-conditions/). Over a geostationary
//     satellite a round trip takes 558 ms at least (RFC 2488, section 2).
func known() []Profile {
	return []Profile{
		{Name: "lan", RTTS: .001, UpBPS: gigabit, DownBPS: gigabit},
		{Name: "wifi", RTTS: .002, UpBPS: 15 * megabit, DownBPS: 30 * megabit},
		{Name: "4g", RTTS: .170, UpBPS: 9 * megabit, DownBPS: 9 * megabit},
		{Name: "3g", RTTS: .300, UpBPS: 768 * kilobit, DownBPS: 1.6 * megabit},
		{Name: "satellite", RTTS: .600, UpBPS: 256 * kilobit, DownBPS: megabit},
	}
}

// Names returns the names of the known profiles, and last that of none.
func Names() []string {
	var names []string
	for _, p := range known() {
		names = append(names, p.Name)
	}
	return append(names, None)
}

// Usage returns a line for each known profile.
func Usage() string {
	var lines strings.Builder
	for _, p := range known() {
		fmt.Fprintf(&lines, "  %-10s %s\n", p.Name, p.figures())
	}
	return strings.TrimSuffix(lines.String(), "\n")
}

// Find returns the known profile of that name.
func Find(name string) (Profile, error) {
	for _, p := range append(known(), Profile{}) {
		if p.String() == name {
			return p, nil
		}
	}
	return Profile{}, typo.Unknown("network", fmt.Sprintf("%.40s", name), append(Names(), Example))
}

// Example is a profile as it is written.
const Example = "{rtt: 80ms, jitter: 20ms, up: 5Mbit/s, down: 20Mbit/s, loss: 1%}"

// Parse reads a name or a text like Example.
func Parse(text string) (Profile, error) {
	inner, isMap := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !isMap {
		return Find(strings.TrimSpace(text))
	}
	inner, closed := strings.CutSuffix(inner, "}")
	if !closed {
		return Profile{}, fmt.Errorf("a } is missing at its end: write it like %s", Example)
	}
	var p Profile
	var seen []string
	for pair := range strings.SplitSeq(inner, ",") {
		key, value, ok := strings.Cut(pair, ":")
		key = strings.TrimSpace(key)
		if !ok {
			return Profile{}, fmt.Errorf("there is %.40q where a key and its value belong: write it like %s", strings.TrimSpace(pair), Example)
		}
		if slices.Contains(seen, key) {
			return Profile{}, fmt.Errorf("%s is there twice: leave one out", key)
		}
		seen = append(seen, key)
		if err := p.Set(key, strings.TrimSpace(value)); err != nil {
			return Profile{}, err
		}
	}
	return p, p.Written()
}

// A property is one of the properties of a profile.
type property struct {
	key   string
	field func(*Profile) *float64
	read  func(text string) (float64, error)
	write func(x float64) string
	words string // what stands for it in a sentence, with %s for the value
}

func properties() []property {
	return []property{
		{"rtt", func(p *Profile) *float64 { return &p.RTTS }, seconds, duration, "%s round trip"},
		{"jitter", func(p *Profile) *float64 { return &p.JitterS }, seconds, duration, "jitter %s"},
		{"up", func(p *Profile) *float64 { return &p.UpBPS }, bitrate, rate, "%s up"},
		{"down", func(p *Profile) *float64 { return &p.DownBPS }, bitrate, rate, "%s down"},
		{"loss", func(p *Profile) *float64 { return &p.Loss }, share, percent, "%s loss"},
	}
}

// Keys returns the keys of the properties.
func Keys() []string {
	var keys []string
	for _, one := range properties() {
		keys = append(keys, one.key)
	}
	return keys
}

// Set sets the property with a key, like rtt, to the value that a text spells. Its error says what the value must be,
// or which keys there are.
func (p *Profile) Set(key, text string) error {
	for _, one := range properties() {
		if one.key != key {
			continue
		}
		x, err := one.read(text)
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		*one.field(p) = x
		return nil
	}
	return typo.Unknown("key", fmt.Sprintf("%.40s", key), Keys())
}

// The largest values of a valid profile, and the smallest bandwidth.
const (
	maxRTT  = 60.
	maxRate = 100 * gigabit
	minRate = kilobit
	maxLoss = .5
)

// Validate returns an error for the first value that no network has.
func (p Profile) Validate() error {
	switch {
	case !(p.RTTS >= 0 && p.RTTS <= maxRTT):
		return fmt.Errorf("rtt must be 0s to %s, not %s", duration(maxRTT), duration(p.RTTS))
	case !(p.JitterS >= 0 && p.JitterS <= p.RTTS):
		return fmt.Errorf("jitter must be 0s to the rtt, %s, not %s", duration(p.RTTS), duration(p.JitterS))
	case !(p.Loss >= 0 && p.Loss <= maxLoss):
		return fmt.Errorf("loss must be 0%% to %s, not %s", percent(maxLoss), percent(p.Loss))
	}
	for _, one := range properties() {
		if x := *one.field(&p); (one.key == "up" || one.key == "down") && x != 0 && !(x >= minRate && x <= maxRate) {
			return fmt.Errorf("%s must be %s to %s, not %s", one.key, rate(minRate), rate(maxRate), rate(x))
		}
	}
	return nil
}

// Written returns an error if p, whose properties were written one by one, is invalid or changes nothing.
func (p Profile) Written() error {
	if p.IsNone() {
		return fmt.Errorf("it changes nothing: write %s, or a network like %s", None, Example)
	}
	return p.Validate()
}

// IsNone reports whether p is no network.
func (p Profile) IsNone() bool { return p == Profile{} }

// RoundTrip returns the seconds that the network adds to an exchange of so many bytes up and down; the median, with
// jitter.
func (p Profile) RoundTrip(up, down float64) float64 {
	trip := p.RTTS
	if p.UpBPS > 0 {
		trip += 8 * up / p.UpBPS
	}
	if p.DownBPS > 0 {
		trip += 8 * down / p.DownBPS
	}
	return trip
}

// String returns the name, or a text that Parse reads.
func (p Profile) String() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.IsNone():
		return None
	}
	return "{" + p.join(", ", func(one property, value string) string { return one.key + ": " + value }) + "}"
}

// MarshalYAML writes p as String does.
func (p Profile) MarshalYAML() (any, error) { return p.String(), nil }

// Words describes the profile in words, like "4g: 170ms round trip, 9Mbit/s up, 9Mbit/s down".
func (p Profile) Words() string {
	switch {
	case p.IsNone():
		return None
	case p.Name == "":
		return p.figures()
	}
	return p.Name + ": " + p.figures()
}

func (p Profile) figures() string {
	return p.join(", ", func(one property, value string) string { return fmt.Sprintf(one.words, value) })
}

// Label returns a name that may be that of a directory, like 4g or rtt80ms-loss1.
func (p Profile) Label() string {
	if p.Name != "" || p.IsNone() {
		return p.String()
	}
	return p.join("-", func(one property, value string) string {
		return one.key + strings.Map(func(r rune) rune {
			if r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return -1
		}, strings.TrimSuffix(value, "/s"))
	})
}

// join joins what of returns for each property that is not 0.
func (p Profile) join(between string, of func(one property, value string) string) string {
	var parts []string
	for _, one := range properties() {
		if x := *one.field(&p); x != 0 {
			parts = append(parts, of(one, one.write(x)))
		}
	}
	return strings.Join(parts, between)
}

func seconds(text string) (float64, error) {
	d, err := input.Duration(text)
	return d.Seconds(), err
}

func duration(x float64) string { return time.Duration(math.Round(x * float64(time.Second))).String() }

// units are those of a bandwidth, the largest first.
var units = []struct {
	name string
	bits float64
}{{"Gbit/s", gigabit}, {"Mbit/s", megabit}, {"kbit/s", kilobit}, {"bit/s", 1}}

func bitrate(text string) (float64, error) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			if x, err := input.Float(strings.TrimSpace(number)); err == nil {
				return x * u.bits, nil
			}
			break
		}
	}
	return 0, fmt.Errorf("must be a bandwidth with its unit, like 768kbit/s or 5Mbit/s, not %.40q", text)
}

func rate(x float64) string {
	for _, u := range units {
		if x >= u.bits {
			return strconv.FormatFloat(x/u.bits, 'g', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(x, 'g', -1, 64) + "bit/s"
}

func share(text string) (float64, error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		if x, err := input.Float(strings.TrimSpace(number)); err == nil {
			return x / 100, nil
		}
	}
	return 0, fmt.Errorf("must be a share in percent, like 1%%, not %.40q", text)
}

func percent(x float64) string { return strconv.FormatFloat(100*x, 'g', 12, 64) + "%" }
