package loadgen

import (
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// equal returns the capacities of n generators on as many machines.
func equal(n int, c Capacity) (all []Capacity) {
	for i := range n {
		c.Machine = string(rune('a' + i))
		all = append(all, c)
	}
	return all
}

// TestAmong divides rooms among generators.
func TestAmong(t *testing.T) {
	s := small // 100 rooms of 10, in which one member sends
	s.Users, s.RoomSize, s.Senders, s.Transports = 1000, 10, 1, []string{"websocket", "long-poll"}
	const ofRoom = 10 + 1 // files, as long-poll needs two for members that send
	near, far := []Address{{URL: "http://127.0.0.1:1"}}, []Address{{URL: "http://server.example"}}
	for name, c := range map[string]struct {
		servers []Address
		among   []Capacity
		want    []int
		err     string
	}{
		"equal":                 {near, equal(3, Capacity{Cores: 8}), []int{33, 33, 34}, ""},
		"cores":                 {near, []Capacity{{"a", 8, 0, 0}, {"b", 2, 0, 0}}, []int{80, 20}, ""},
		"two on a machine":      {near, []Capacity{{"a", 8, 0, 0}, {"a", 8, 0, 0}, {"b", 2, 0, 0}}, []int{40, 40, 20}, ""},
		"unknown cores":         {near, []Capacity{{"a", 0, 0, 0}, {"b", 3, 0, 0}}, []int{25, 75}, ""},
		"one has few cores":     {near, []Capacity{{"a", 1000, 0, 0}, {"b", 1, 0, 0}}, []int{99, 1}, ""},
		"few files":             {near, []Capacity{{"a", 4, 30*ofRoom + reserved, 0}, {"b", 4, 0, 0}, {"c", 4, 0, 0}}, []int{30, 35, 35}, ""},
		"just enough":           {near, equal(2, Capacity{Files: 50*ofRoom + reserved}), []int{50, 50}, ""},
		"one has all":           {near, []Capacity{{"a", 1, 100*ofRoom + reserved, 0}}, []int{100}, ""},
		"not enough":            {near, equal(2, Capacity{Files: 50*ofRoom + reserved - 1}), nil, "2 agents hold 980 of 1000 users, as open files or local ports are too few for more: start more agents, or use --users 980"},
		"ports, on loopback":    {near, equal(2, Capacity{Ports: 100}), []int{50, 50}, ""},
		"ports":                 {far, []Capacity{{"a", 4, 0, 20*ofRoom + reserved}, {"b", 4, 0, 0}}, []int{20, 80}, ""},
		"ports of a machine":    {far, []Capacity{{"a", 4, 0, 20*ofRoom + reserved}, {"a", 4, 0, 20*ofRoom + reserved}, {"b", 4, 0, 0}}, []int{10, 10, 80}, ""},
		"one has not enough":    {near, []Capacity{{"a", 1, 100*ofRoom + reserved - 1, 0}}, nil, "1 agent holds 990 of 1000 users"},
		"not enough ports":      {far, equal(2, Capacity{Ports: 20*ofRoom + reserved}), nil, "2 agents hold 400 of 1000 users"},
		"ports of two servers":  {[]Address{{URL: "http://a.example"}, {URL: "http://b.example"}}, equal(2, Capacity{Ports: 900}), []int{50, 50}, ""},
		"ports to one proxy":    {[]Address{{URL: "http://a.example", Through: "p.example:1"}, {URL: "http://b.example", Through: "p.example:1"}}, equal(2, Capacity{Ports: 500}), nil, "2 agents hold "},
		"not one room in files": {near, []Capacity{{"a", 1, 70, 0}, {"b", 1, 0, 0}}, nil, "an agent on a may have 70 open files and a room of 10 users needs 75: use smaller rooms, end it, or raise its limit of files to 75"},
		"not one room in ports": {far, []Capacity{{"a", 1, 0, 80}, {"a", 1, 0, 80}}, nil, "a has 80 local ports and 2 agents with a room of 10 users each need 86: give it more (sysctl net.ipv4.ip_local_port_range), end some, or use smaller rooms"},
		"more than rooms":       {near, equal(101, Capacity{Files: 20}), nil, ""},
	} {
		got, err := Task{Scenario: s, Servers: c.servers}.Among(c.among)
		if !slices.Equal(got.Shares, c.want) || err == nil && c.err != "" || err != nil && (c.err == "" || !strings.HasPrefix(err.Error(), c.err)) {
			t.Errorf("%s: %v, %v, want %v, %s", name, got.Shares, err, c.want, c.err)
		}
		if err == nil && got.Parts != len(c.among) {
			t.Errorf("%s: %d parts", name, got.Parts)
		}
	}
}

// TestEqualShares has equal generators take the parts that there are without shares.
func TestEqualShares(t *testing.T) {
	s := small
	s.RoomSize = 2
	for n := 1; n < 20; n++ {
		for rooms := n; rooms < 60; rooms++ {
			s.Users = 2 * rooms
			task, err := Task{Scenario: s, Servers: []Address{{URL: "http://a.example"}}}.Among(equal(n, Capacity{Cores: 2, Files: 1000, Ports: 1000}))
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				first, last := roomsOfPart(rooms, i, n, task.Shares)
				if f, l := roomsOfPart(rooms, i, n, nil); first != f || last != l {
					t.Fatalf("part %d of %d of %d rooms has %d to %d, want %d to %d", i, n, rooms, first, last, f, l)
				}
			}
		}
	}
}

// TestFill divides numbers among random takers: all is taken, none takes too much or nothing, and of two takers that could
// have more, the one with the larger weight takes no less than the other one, but for rounding.
func TestFill(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		takers := 1 + random.IntN(8)
		weights, most := make([]*big.Rat, takers), make([]int, takers)
		for i := range takers {
			weights[i], most[i] = big.NewRat(1+random.Int64N(64), 1+random.Int64N(5)), 1+random.IntN(100)
		}
		n := takers + random.IntN(sum(most)-takers+1)
		shares := fill(n, weights, most)
		if sum(shares) != n {
			t.Fatalf("%v of %d", shares, n)
		}
		for i, share := range shares {
			if share < 1 || share > most[i] {
				t.Fatalf("%v of at most %v", shares, most)
			}
			for k, other := range shares {
				if share < most[i] && weights[i].Cmp(weights[k]) >= 0 && other > share+1 {
					t.Fatalf("%v of %d by %v, at most %v: taker %d has less than %d", shares, n, weights, most, i, k)
				}
			}
		}
	}
}

// TestUnequalTeam measures with generators that have unequal shares: the counts are those of the plan.
func TestUnequalTeam(t *testing.T) {
	t.Parallel()
	s := small
	s.Users, s.RoomSize, s.Transports = 40, 4, []string{"long-poll", "websocket"}
	side := Side{Command: []string{os.Args[0], "serve"}, Servers: 3, Spread: true, Team: group{parts: 3, shares: []int{7, 1, 2}}}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{side}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range windows {
		whole(t, s, w)
		if n := len(w.Joining); w.Joining[n-1].Users != s.Users {
			t.Errorf("the memory of the servers was sampled at %+v", w.Joining)
		}
	}
}
