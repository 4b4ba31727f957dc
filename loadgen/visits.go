package loadgen

import "time"

// A visit is a window of each round: a transport on a side.
type visit struct {
	transport string
	side      *attempts
	index     int           // of the side, as emit gets it
	timer     time.Duration // with which users poll; 0: they don't
}

// visits returns the visits of a round, given all sides: those of o.Sides first, and then those of o.Against. Sides
// that are not visited are left out of used.
func (o Options) visits(s Scenario, sides []*attempts) (all []visit, used []*attempts) {
	for _, name := range s.Measured() {
		timer := time.Duration(0)
		if client, err := Client(name, o.Against...); err == nil {
			timer = client.Way().Every
		}
		server, _, foreign := foreignName(name)
		for i, side := range sides {
			switch of := i >= len(o.Sides); {
			case of != foreign || foreign && side.Name != server:
			case side.lacks(name) != "":
			case foreign:
				all = append(all, visit{name, side, 0, timer})
			default:
				all = append(all, visit{name, side, i, timer})
			}
		}
	}
	for _, side := range sides {
		for _, v := range all {
			if v.side == side {
				used = append(used, side)
				break
			}
		}
	}
	return all, used
}

// left estimates the time that the given visits, the rest of a round, and the rounds after it take.
func left(s Scenario, visits []visit, round int, rest []int) time.Duration {
	const overhead = 400 * time.Millisecond // as measured with 200 users, for starting, joining, draining, leaving and stopping
	each := (s.Warmup + s.Duration).Duration() + overhead
	var all time.Duration
	for _, i := range rest {
		all += each + visits[i].timer // draining waits for the last poll
	}
	for _, v := range visits {
		all += time.Duration(s.Rounds-round) * (each + v.timer)
	}
	return all
}
