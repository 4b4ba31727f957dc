package agent

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"pushpull/loadgen"
)

// TestLost kills one of two agents in the middle of a window, or stops it as if it hung, or had no CPU: the window fails soon with
// that reason, and the other agent ends its part and can be claimed.
func TestLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal syscall.Signal
		told   bool    // how its process ended is known
		cpu    float64 // of the machine in use
		want   string
	}{
		"killed":      {syscall.SIGKILL, false, 0, "has not answered for 2s: it has ended, hangs, or can't reach NATS"},
		"seen to end": {syscall.SIGKILL, true, 1, "ended (killed)"},
		"that hangs":  {syscall.SIGSTOP, true, .5, "has not answered for 2s: its process has not ended, so it hangs, or can't reach NATS"},
		"starved":     {syscall.SIGSTOP, true, 1, " uses 100% of its CPU: use fewer users, or more machines"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			b.agents(t, 1, Options{Name: "other", silence: silent})
			process := b.process(t)
			o := TeamOptions{Agents: 2, Version: "1", silence: silent, patience: soon, cpu: using(c.cpu)}
			if c.told {
				o.Ended = func(pid int) string {
					var status syscall.WaitStatus
					if pid == process.Process.Pid {
						if n, _ := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); n == pid {
							return status.Signal().String()
						}
					}
					return ""
				}
			}
			team, err := Gather(t.Context(), b.connect(t), o)
			if err != nil {
				t.Fatal(err)
			}
			defer team.Close()
			var at time.Time
			windows, err := run(t.Context(), endless(), team, func(loadgen.Progress) {
				at = time.Now()
				if err := process.Process.Signal(c.signal); err != nil {
					t.Error(err)
				}
			})
			if err == nil || !strings.Contains(err.Error(), c.want) || len(windows) > 1 {
				t.Errorf("%d windows, %v", len(windows), err)
			}
			if took := time.Since(at); took > soon {
				t.Errorf("it took %v", took)
			}
			team.Close()
			b.gather(t, 1) // the other one
			if c.signal == syscall.SIGSTOP {
				_ = process.Process.Signal(syscall.SIGCONT)
				b.gather(t, 1) // it has given up the window
			}
		})
	}
}
