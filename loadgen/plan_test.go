package loadgen

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"
)

// rooms10 is a scenario with several rooms in which only some members send.
var rooms10 = Scenario{
	Name: "rooms", Users: 40, RoomSize: 10, Senders: 4, Rate: 50, Size: 100, Rounds: 1, Seed: 7,
	Warmup: 2, Duration: 10, Drain: 1,
	Transports: []string{"websocket"},
}

func TestPlanIsDrawnFromSeedAndRound(t *testing.T) {
	plan := NewPlan(rooms10, 1)
	if again := NewPlan(rooms10, 1); !reflect.DeepEqual(plan, again) {
		t.Error("the same scenario and round give another plan")
	}
	transport := rooms10
	transport.Transports = []string{"long-poll", "short-poll@1s"}
	if other := NewPlan(transport, 1); !reflect.DeepEqual(plan, other) {
		t.Error("the plan depends on the transports")
	}
	seed := rooms10
	seed.Seed++
	for what, other := range map[string]*Plan{"round": NewPlan(rooms10, 2), "seed": NewPlan(seed, 1)} {
		if slices.Equal(plan.Sends, other.Sends) || slices.Equal(plan.Phases, other.Phases) {
			t.Errorf("another %s gives the same sends or phases", what)
		}
	}
}

func TestPlanIsInOrder(t *testing.T) {
	plan := NewPlan(rooms10, 1)
	numbers, indexes := make([]int32, plan.Users), make([]int32, plan.Users/plan.RoomSize)
	var before time.Duration
	for i, send := range plan.Sends {
		if send.At < before || send.At >= plan.End {
			t.Fatalf("send %d is at %v: after %v, window ends at %v", i, send.At, before, plan.End)
		}
		before = send.At
		user, room := int(send.User), plan.Room(int(send.User))
		if user%rooms10.RoomSize >= rooms10.Senders {
			t.Fatalf("user %d sends: it is member %d of a room with %d senders", user, user%rooms10.RoomSize, rooms10.Senders)
		}
		if room != user/10 {
			t.Fatalf("user %d is in room %d", user, room)
		}
		if send.Number != numbers[user] || send.Index != indexes[room] {
			t.Fatalf("send %d has number %d and index %d, want %d and %d", i, send.Number, send.Index, numbers[user], indexes[room])
		}
		if at, ok := plan.Find(user, int(send.Number)); !ok || at != i {
			t.Fatalf("message %d of user %d is found at %d, %t, want %d", send.Number, user, at, ok, i)
		}
		numbers[user]++
		indexes[room]++
	}
	for user, number := range numbers {
		if _, ok := plan.Find(user, int(number)); ok {
			t.Errorf("user %d has a message after its last one", user)
		}
	}
	for _, absent := range [][2]int{{-1, 0}, {plan.Users, 0}, {math.MaxInt, 0}, {0, -1}, {0, math.MaxInt}, {9, 0}} {
		if _, ok := plan.Find(absent[0], absent[1]); ok {
			t.Errorf("message %d of user %d is found", absent[1], absent[0])
		}
	}
}

// TestPlanIsPoisson looks at some 9,600 gaps between a sender's messages. In a Poisson process the
// mean and the standard deviation of the gaps are 1/rate, and a share of 1/e of them is longer than
// that. The sampling errors are 1%, 1.4% and 1.3%; the bounds are four to five times as wide.
func TestPlanIsPoisson(t *testing.T) {
	plan := NewPlan(rooms10, 1)
	var gaps []float64
	last := map[int32]time.Duration{}
	for _, send := range plan.Sends {
		gaps = append(gaps, (send.At - last[send.User]).Seconds())
		last[send.User] = send.At
	}
	if len(last) != 16 {
		t.Errorf("%d users send, want 16", len(last))
	}
	if want := 16 * 50 * 12; len(gaps) != want {
		t.Errorf("%d sends, want %d", len(gaps), want)
	}
	var sum, squares float64
	longer := 0
	for _, gap := range gaps {
		sum += gap
		squares += gap * gap
		if gap > .02 {
			longer++
		}
	}
	n := float64(len(gaps))
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	for _, c := range []struct {
		what            string
		got, want, most float64
	}{
		{"mean", mean, .02, .045},
		{"standard deviation", deviation, .02, .07},
		{"share above the mean", float64(longer) / n, 1 / math.E, .06},
	} {
		if math.Abs(c.got-c.want) > c.most*c.want {
			t.Errorf("the %s of the gaps is %.5f, want %.5f within %.0f%%", c.what, c.got, c.want, 100*c.most)
		}
	}
}

// TestPlanHasTheNumberOfItsRate has rounds with the same number of measured messages, or the two whole numbers
// around the mean, as often as the mean is between them.
func TestPlanHasTheNumberOfItsRate(t *testing.T) {
	for _, test := range []struct{ rate, mean float64 }{{50, 8000}, {.05, 8}, {.0203125, 3.25}, {.0015625, .25}} {
		s := rooms10
		s.Rate = test.rate
		sum := 0
		const rounds = 400
		for round := 1; round <= rounds; round++ {
			plan := NewPlan(s, round)
			n := 0
			for _, send := range plan.Sends {
				if plan.Measured(send) {
					n++
				}
			}
			if math.Abs(float64(n)-test.mean) >= 1 {
				t.Fatalf("%d messages at rate %v, want about %v", n, test.rate, test.mean)
			}
			sum += n
			if test.rate > 1 && round == 5 {
				sum *= rounds / 5 // many messages take long to draw
				break
			}
		}
		if mean := float64(sum) / rounds; math.Abs(mean-test.mean) > .1 {
			t.Errorf("%v messages on average at rate %v, want %v", mean, test.rate, test.mean)
		}
	}
}

func TestPlanPhases(t *testing.T) {
	s := rooms10
	s.Users, s.Rate = 10_000, .01
	plan := NewPlan(s, 1)
	var tenths [10]int
	for user, phase := range plan.Phases {
		if phase < 0 || phase >= 1 {
			t.Fatalf("user %d has phase %v", user, phase)
		}
		tenths[int(10*phase)]++
	}
	for i, n := range tenths {
		if n < 850 || n > 1150 { // five standard deviations
			t.Errorf("%d of 10,000 phases are in the tenth from %.1f on, want about 1000", n, float64(i)/10)
		}
	}
}

func TestPlanMeasuresAfterTheWarmup(t *testing.T) {
	plan := NewPlan(rooms10, 1)
	for at, want := range map[time.Duration]bool{
		0: false, 2*time.Second - 1: false, 2 * time.Second: true, 12*time.Second - 1: true, 12 * time.Second: false,
	} {
		if got := plan.Measured(Send{At: at}); got != want {
			t.Errorf("a message at %v is measured: %t, want %t", at, got, want)
		}
	}
}

// TestPlanOfRareMessages uses rates with gaps longer than a time.Duration can hold.
func TestPlanOfRareMessages(t *testing.T) {
	for _, rate := range []float64{1e-9, 1e-12, 1e-300, math.SmallestNonzeroFloat64} {
		s := rooms10
		s.Rate = rate
		if plan := NewPlan(s, 1); len(plan.Sends) != 0 {
			t.Errorf("rate %g makes %d messages", rate, len(plan.Sends))
		}
	}
}

// TestWithCalls adds a message in each room at the start, and one of each sender at the end.
func TestWithCalls(t *testing.T) {
	plan := NewPlan(rooms10, 1)
	called, calls := plan.WithCalls()
	if calls != 16 || len(called.Sends) != len(plan.Sends)+4+16 {
		t.Errorf("%d calls among %d messages, %d without them", calls, len(called.Sends), len(plan.Sends))
	}
	seen := map[[2]int32]bool{}
	for i, send := range called.Sends {
		if found, ok := called.Find(int(send.User), int(send.Number)); !ok || found != i {
			t.Fatalf("message %d is found as %d, %t", i, found, ok)
		}
		place := [2]int32{send.User / 10, send.Index}
		if seen[place] || int(send.Index) >= int(called.inRoom[place[0]]) {
			t.Fatalf("message %d is number %d of its room, of %d", i, send.Index, called.inRoom[place[0]])
		}
		seen[place] = true
		if (i < 4) != (send.At == 0) || (i >= len(called.Sends)-calls) != (send.At == plan.End) {
			t.Errorf("message %d is sent at %v", i, send.At)
		}
	}
	if again := NewPlan(rooms10, 1); !reflect.DeepEqual(plan, again) {
		t.Error("the plan has changed")
	}
}
