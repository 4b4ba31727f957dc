package check

import "testing"

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{ratio(1.523), "1.52"},
		{ratio(.996), "1.00"},
		{ratio(.0123), "0.012"},
		{percent(1.05), "5%"},
		{percent(1.038), "3.8%"},
		{percent(2.5), "150%"},
		{percent(1), "0%"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
