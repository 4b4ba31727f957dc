package result

// An Interval is the 95% confidence interval of a figure, in the unit of its metric.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Interval returns the interval of the metric with that key, or false if the row has none: the figure is
// unknown, or was measured only once.
func (r *Row) Interval(key string) (Interval, bool) {
	i, ok := r.Intervals[key]
	return i, ok
}

// Resampled holds the figures of a row in each resample of a bootstrap.
type Resampled struct {
	Blocks  int                  // that were drawn from in each
	Figures map[string][]float64 // of the metrics with these keys
}
