package result

// always wraps a figure that every measured row has.
func always[N int | int64 | float64](of func(Row) N) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) { return float64(of(r)), r.Measured() }
}

// delivered wraps a value that is undefined without deliveries.
func delivered(of func(Row) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) { return of(r), r.Delivered > 0 }
}

func latency(of func(Quantiles) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) { return short(of(r.Latency), r.Timed() > 0) }
}

// sent wraps a time that is undefined if nothing was sent.
func sent(of func(Row) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) { return short(of(r), r.Sent > 0) }
}

// short returns a time in milliseconds, read from a histogram. An hour is no value, as it stands for any
// longer time.
func short(ms float64, ok bool) (float64, bool) {
	if !ok || ms >= milliseconds(Longest) {
		return 0, false
	}
	return ms, true
}

func first(r Row) *Joining { return r.Join }
func again(r Row) *Joining { return r.Return }

func joinedBy(which func(Row) *Joining, of func(Joining) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		j := which(r)
		if j == nil {
			return 0, false
		}
		return short(of(*j), true)
	}
}

// joinRate returns how many users joined in a second.
func joinRate(r Row) (float64, bool) {
	return r.JoinsPerS, r.JoinsPerS > 0
}

// trips returns the round trips that joining takes, which are those of theory.
func trips(r Row) (float64, bool) {
	if r.Theory == nil || r.Theory.JoinTrips == 0 {
		return 0, false
	}
	return float64(r.Theory.JoinTrips), true
}

// memory wraps a number of bytes of the servers that may be unknown.
func memory(of func(Server) *float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		if r.Server == nil {
			return 0, false
		}
		return kilobytes(of(*r.Server))
	}
}

// kilobytes converts a number of bytes that may be unknown.
func kilobytes(bytes *float64) (float64, bool) {
	if bytes == nil {
		return 0, false
	}
	return *bytes / 1e3, true
}

func server(of func(Usage) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		if r.Server == nil {
			return 0, false
		}
		return of(r.Server.Usage), true
	}
}

func perMessage(r Row) *Rates { return r.StorePerDelivery }
func perSecond(r Row) *Rates  { return r.StorePerSecond }

func rate(rates func(Row) *Rates, of func(Rates) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		all := rates(r)
		if all == nil {
			return 0, false
		}
		return of(*all), true
	}
}

func total(of func(Store) int64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		if r.Store == nil {
			return 0, false
		}
		return float64(of(*r.Store)), true
	}
}

func known(x *float64) (float64, bool) {
	if x == nil {
		return 0, false
	}
	return *x, true
}

func predicted(of func(Theory) *float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		if r.Theory == nil {
			return 0, false
		}
		return known(of(*r.Theory))
	}
}

func predictedTotal(of func(Theory) float64) func(Row) (float64, bool) {
	return predicted(func(t Theory) *float64 {
		x := of(t)
		return &x
	})
}

// ofStore wraps a prediction that a foreign server doesn't have, as nothing is known of its store.
func ofStore(of func(Row) (float64, bool)) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		x, ok := of(r)
		return x, ok && r.Way.Server == ""
	}
}

// predictedShare wraps a predicted total, which it divides by the deliveries.
func predictedShare(of func(Theory, Row) float64) func(Row) (float64, bool) {
	return func(r Row) (float64, bool) {
		if r.Theory == nil || r.Delivered == 0 {
			return 0, false
		}
		return of(*r.Theory, r) / float64(r.Delivered), true
	}
}
