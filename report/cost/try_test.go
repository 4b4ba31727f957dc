package cost

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"pushpull/loadgen/result"
)

func TestTry(t *testing.T) {
	var fitted []*result.Result
	var held *result.Result
	for _, dir := range strings.Fields(os.Getenv("DIRS")) {
		r, err := result.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		fitted = append(fitted, r)
	}
	held, err := result.Open(os.Getenv("HELD"))
	if err != nil {
		t.Fatal(err)
	}
	models, err := Fit(fitted...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		for _, row := range held.Rows() {
			if name(row) != m.Transport {
				continue
			}
			s := held.Run.Scenario
			f, ok := m.At(Load{Users: float64(row.Users), Rate: s.Rate, EveryS: row.Way.EveryS, FromS: float64(s.Warmup), ToS: float64(s.Warmup + s.Duration)})
			if !ok {
				fmt.Println(m.Transport, "unknown")
				continue
			}
			cpu := row.Server.CPUS / row.DurationS
			exp, lin := m.Linear()
			fmt.Printf("%-16s cores %.3f [%.3f %.3f] got %.3f (%+.0f%%) beta %.2f lin %v x %.2f | rss %.1f got %.1f (%+.0f%%) | req %.1f got %.1f | bytes %.0f got %.0f | reads %.1f got %.1f\n", row.Transport,
				f.Cores.Value, f.Cores.Low, f.Cores.High, cpu, 100*(f.Cores.Value/cpu-1), exp, lin, m.curve.theta[worthVain],
				f.MemoryBytes.Value/1e6, float64(row.Server.RSSBytes)/1e6, 100*(f.MemoryBytes.Value/float64(row.Server.RSSBytes)-1),
				f.Requests.Value, float64(row.Requests-row.Handshakes+row.Posts)/row.DurationS,
				f.Bytes.Value, float64(row.BytesIn+row.BytesOut)/row.DurationS, f.Reads.Value, float64(row.Store.Reads)/row.DurationS)
		}
	}
}
