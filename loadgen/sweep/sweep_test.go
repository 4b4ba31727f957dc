package sweep_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/sweep"
	"pushpull/transports"
	"pushpull/transports/dialect"
)

// base is a chat in pairs, with two transports that poll on a timer.
func base() loadgen.Scenario {
	return loadgen.Scenario{
		Name: "pairs", Users: 100, RoomSize: 2, Rate: .1, Size: 200, Warmup: 1, Duration: 5, Drain: 5, Rounds: 3, Seed: 1,
		Transports: []string{"short-poll@1s", "long-poll", "short-poll@5s", "websocket"},
	}
}

func TestParse(t *testing.T) {
	axes, err := sweep.Parse(base(), []string{"users= 250, 0x1f4", "room-size=2,10", "rate=.01,0.1,1.0", "interval=1000ms,90s"})
	if err != nil {
		t.Fatal(err)
	}
	want := []result.Axis{
		{Key: "users", Values: []string{"250", "500"}},
		{Key: "room_size", Values: []string{"2", "10"}},
		{Key: "rate", Values: []string{"0.01", "0.1", "1"}},
		{Key: "interval", Values: []string{"1s", "1m30s"}},
	}
	for i, axis := range axes {
		if axis.Key != want[i].Key || !slices.Equal(axis.Values, want[i].Values) {
			t.Errorf("axis %d is %v, want %v", i, axis, want[i])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	streams := base()
	streams.Transports = []string{"websocket"}
	many := "users=" + "2,4,6,8,10,12,14,16,18,20,22"
	for _, test := range []struct {
		scenario loadgen.Scenario
		texts    []string
		want     string
	}{
		{base(), nil, "nothing is varied: write it like users=250,500,1000"},
		{base(), []string{"users"}, `"users" has no values: write it like users=250,500,1000`},
		{base(), []string{"users="}, "the values of users: must name one or more, or be left out"},
		{base(), []string{"users=250,,500"}, "the values of users: must be a list like a,b,c without empty places"},
		{base(), []string{"users=250"}, "users has one value, 250: write at least two"},
		{base(), []string{"users=250,0250"}, "users is 250 twice: write each value once"},
		{base(), []string{"interval=1s,1000ms"}, "interval is 1s twice: write each value once"},
		{base(), []string{"users=2,4", "users=6,8"}, "users is varied twice: write all its values once, like users=A,B,C"},
		{base(), []string{"room_size=2,4", "room-size=6,8"}, "room_size is varied twice: write all its values once, like room_size=A,B,C"},
		{base(), []string{"user=2,4"}, `unknown knob "user": did you mean "users"?`},
		{base(), []string{"colour=2,4"}, `unknown knob "colour": use users, room_size, senders, rate, size, interval`},
		{base(), []string{"duration=2s,4s"}, "duration is the same in the whole sweep: vary users, room_size, senders, rate, size, interval"},
		{base(), []string{"users=2,many"}, "users=many: must be a whole number, like 200"},
		{base(), []string{"users=2,1.5"}, "users=1.5: must be a whole number, like 200"},
		{base(), []string{"users=1,2"}, "users=1: must be 2 to 1000000, not 1: one sends and one receives"},
		{base(), []string{"rate=0,1"}, "rate=0: must be more than 0 and at most 10000 messages per second, not 0"},
		{base(), []string{"rate=.nan,1"}, "rate=.nan: must be more than 0 and at most 10000 messages per second, not NaN"},
		{base(), []string{"interval=1,2"}, "interval=1: must be a time with its unit, like 500ms or 5s"},
		{base(), []string{"interval=0s,2s"}, `interval=0s: bad transport "short-poll@0s"`},
		{streams, []string{"interval=1s,2s"}, "interval=1s: no transport of the scenario polls on a timer: add one to the transports, like short-poll"},
		{base(), []string{many, "rate=1,2,3,4,5,6,7,8,9,10", "size=64,65,66,67,68,69,70,71,72,73"}, "there are more than 1000 combinations: vary fewer values"},
	} {
		_, err := sweep.Parse(test.scenario, test.texts)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v: %v, want %s", test.texts, err, test.want)
		}
	}
}

func points(t *testing.T, texts ...string) []sweep.Point {
	t.Helper()
	axes, err := sweep.Parse(base(), texts)
	if err != nil {
		t.Fatal(err)
	}
	all, err := sweep.Points(base(), axes, 0)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPoints(t *testing.T) {
	all := points(t, "rate=0.1,1", "users=100,200")
	var dirs []string
	for _, p := range all {
		dirs = append(dirs, p.Dir)
		if !slices.Equal(p.Scenario.Transports, base().Transports) {
			t.Errorf("%s has the transports %v", p.Dir, p.Scenario.Transports)
		}
	}
	if want := []string{"rate=0.1,users=100", "rate=0.1,users=200", "rate=1,users=100", "rate=1,users=200"}; !slices.Equal(dirs, want) {
		t.Errorf("the points are %v, want %v", dirs, want)
	}
	if p := all[2]; p.Scenario.Rate != 1 || p.Scenario.Users != 100 || !slices.Equal(p.Values, []string{"1", "100"}) {
		t.Errorf("the third point is %+v", p)
	}
}

// TestPointsOfIntervals checks that only transports that poll on a timer are measured at each interval.
func TestPointsOfIntervals(t *testing.T) {
	all := points(t, "interval=2s,10s", "users=100,200")
	for i, want := range [][]string{
		{"short-poll@2s", "long-poll", "websocket"},
		{"short-poll@2s", "long-poll", "websocket"},
		{"short-poll@10s"},
		{"short-poll@10s"},
	} {
		if got := all[i].Scenario.Transports; !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", all[i].Dir, got, want)
		}
	}
}

func TestPointsRefuse(t *testing.T) {
	axes, err := sweep.Parse(base(), []string{"users=100,250", "room_size=10,100"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sweep.Points(base(), axes, 0)
	const want = "users=250,room_size=100: users must fill rooms of 100: use 200 or 300"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := sweep.Points(base(), []result.Axis{{Key: "colour", Values: []string{"1", "2"}}}, 0); err == nil {
		t.Error("an axis of an index that can't be varied makes points")
	}
	if _, err := sweep.Points(base(), []result.Axis{{Key: "users", Values: []string{"x", "2"}}}, 0); err == nil {
		t.Error("a value of an index that is no number makes points")
	}
}

// TestOrder checks that a round has every point once, in an order that depends on seed and round alone, and that
// no point has a fixed place.
func TestOrder(t *testing.T) {
	const n, rounds = 6, 40
	turns := sweep.Order(n, rounds, 1)
	if !slices.Equal(turns, sweep.Order(n, rounds, 1)) {
		t.Error("the same seed gives another order")
	}
	if slices.Equal(turns, sweep.Order(n, rounds, 2)) {
		t.Error("another seed gives the same order")
	}
	if !slices.Equal(turns[:2*n], sweep.Order(n, 2, 1)) {
		t.Error("the order of the first rounds depends on their number")
	}
	places := make([]int, n)
	for round := range rounds {
		seen := map[int]bool{}
		for place, turn := range turns[round*n : (round+1)*n] {
			if turn.Round != round+1 || seen[turn.Point] {
				t.Fatalf("round %d has %v", round+1, turn)
			}
			seen[turn.Point] = true
			if turn.Point == 0 {
				places[place]++
			}
		}
	}
	for place, times := range places {
		if times == 0 || times > rounds/2 {
			t.Errorf("the first point is %d times at place %d of %d rounds", times, place, rounds)
		}
	}
}

func TestEstimate(t *testing.T) {
	s := base()
	s.Transports = []string{"short-poll@3s", "websocket"}
	got := sweep.Estimate(s, 0)
	if least, most := 15*time.Second, 17*time.Second; got < least || got > most {
		t.Errorf("two windows of 6 s and a poll interval of 3 s take %v, want %v to %v", got, least, most)
	}
	s.Users = 10_000
	if more := sweep.Estimate(s, 0); more <= got {
		t.Errorf("more users take %v, fewer %v", more, got)
	}
}

// TestEstimateOfAgents checks that many users join faster at several agents.
func TestEstimateOfAgents(t *testing.T) {
	s := base()
	s.Users, s.Transports = 250_000, []string{"websocket"}
	alone, among := sweep.Estimate(s, 0), sweep.Estimate(s, 14)
	if least, most := 25*time.Second, 45*time.Second; among < least || among > most || alone < 3*among {
		t.Errorf("250,000 users of 14 agents take %v, want %v to %v, and %v of one process", among, least, most, alone)
	}
}

// TestDeliveries checks that the rate of each point makes the same deliveries.
func TestDeliveries(t *testing.T) {
	s := base()
	axes, err := sweep.Parse(s, []string{"users=100,1000,250000", "room_size=0,10", "senders=0,2"})
	if err != nil {
		t.Fatal(err)
	}
	s.Rate = 1e4 // with which many users are too many messages
	points, err := sweep.Points(s, axes, 1500)
	if err != nil || len(points) != 12 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	for _, p := range points {
		kept := p.Scenario.Result() // with numbers in place of 0
		got := kept.Rate * float64(kept.Users/kept.RoomSize*kept.Senders*(kept.RoomSize-1))
		if math.Abs(got-1500) > 1e-6 {
			t.Errorf("%s makes %v deliveries per second", p.Dir, got)
		}
	}
	for deliveries, want := range map[float64]string{
		1e12: "users=100,room_size=0,senders=0: 1e+12 deliveries per second: rate must be ",
		0:    "rate makes ",
	} {
		if _, err := sweep.Points(s, axes, deliveries); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v deliveries: %v, want %s", deliveries, err, want)
		}
	}
	alone := []result.Axis{{Key: "room_size", Values: []string{"1", "2"}}} // where nobody gets a delivery
	if _, err := sweep.Points(base(), alone, 1500); err == nil || !strings.HasPrefix(err.Error(), "room_size=1: room_size must be 2 to ") {
		t.Errorf("rooms of one: %v", err)
	}
}

// FuzzParse checks that what Parse accepts makes points or an error, and that its spelling is final.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"users=250,500", "rate=.1,1", "interval=1s,5m", "room-size=0,2", "size=64,0x41", "senders=0,1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		axes, err := sweep.Parse(base(), []string{text})
		if err != nil {
			return
		}
		again, err := sweep.Parse(base(), []string{axes[0].Key + "=" + strings.Join(axes[0].Values, ",")})
		if err != nil || !slices.Equal(again[0].Values, axes[0].Values) {
			t.Errorf("%q is read as %v, and that as %v, %v", text, axes, again, err)
		}
		points, err := sweep.Points(base(), axes, 0)
		for _, p := range points {
			if err != nil || p.Scenario.Validate() != nil || strings.ContainsAny(p.Dir, `/\:*?"<>|`+"\x00") {
				t.Errorf("%q makes the point %q, %v", text, p.Dir, err)
			}
		}
	})
}

// foreign is a dialect of a server that is polled on a timer.
type foreign struct{}

func (foreign) About() dialect.About { return dialect.About{Name: "other", Title: "Other"} }

func (foreign) Ways() []dialect.Way {
	return []dialect.Way{{Transport: "short-poll", Way: transports.Way{Title: "short polling", Every: time.Second}}}
}

func (foreign) Speak(dialect.Way, string, transports.Cursor) (dialect.Speech, error) {
	return nil, errors.New("nobody speaks")
}

// TestForeignInterval varies the interval of users of a foreign server. What it lacks has none.
func TestForeignInterval(t *testing.T) {
	s := base()
	s.Transports = []string{"other/short-poll@5s", "other/websocket"}
	other := loadgen.Side{Name: "other", Dialect: foreign{}}
	axes, err := sweep.Parse(s, []string{"interval=1s,2s"}, other)
	if err != nil {
		t.Fatal(err)
	}
	points, err := sweep.Points(s, axes, 0, other)
	if err != nil || len(points) != 2 || !slices.Equal(points[1].Scenario.Transports, []string{"other/short-poll@2s"}) {
		t.Errorf("%+v, %v", points, err)
	}
	if sweep.Estimate(points[1].Scenario, 0, other) < 8*time.Second {
		t.Error("the estimate leaves the interval out")
	}
	if _, err := sweep.Parse(s, []string{"interval=1s,2s"}); err == nil || !strings.Contains(err.Error(), "say where other is") {
		t.Errorf("%v", err)
	}
}
