// Package backoff is how long a user waits before it tries again.
//
// It only computes waits: it neither waits nor tries.
package backoff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen/input"
	"pushpull/transports/typo"
)

// A Policy is a rule for waits: each bound is twice the one before, from First up to Most, and Jitter draws the wait
// from the bound. With First equal to Most the bound is fixed. The zero value stands for Default.
type Policy struct {
	First, Most time.Duration
	Jitter      Jitter
}

// Default is the policy of users. The README of package loadgen has the measurements behind it.
var Default = Policy{50 * time.Millisecond, 2 * time.Second, Half}

// A Jitter is the random part of a wait. Without any, users that were cut off together come back together.
type Jitter string

// The jitters, by the names that "Exponential Backoff And Jitter" of the AWS Architecture Blog gave them
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
const (
	None         Jitter = "none"         // the bound itself
	Half         Jitter = "half"         // evenly from half of the bound to the bound
	Full         Jitter = "full"         // evenly from 0 to the bound
	Decorrelated Jitter = "decorrelated" // evenly from First to three times the wait before, at most Most
)

var jitters = []string{string(None), string(Half), string(Full), string(Decorrelated)}

// Bounds of a policy. A wait that is shorter would be a busy loop.
const (
	shortest = time.Millisecond
	longest  = time.Hour
)

// Example is a policy as it is written.
const Example = "100ms..10s/full"

// Parse reads a text like Example. One time instead of two is fixed, and without a jitter it is that of Default. The
// error continues a sentence that begins with the policy.
func Parse(text string) (Policy, error) {
	p := Policy{Jitter: Default.Jitter}
	times, jitter, given := strings.Cut(text, "/")
	if given {
		if !slices.Contains(jitters, jitter) {
			return Policy{}, fmt.Errorf("has a bad jitter: %w", typo.Unknown("jitter", fmt.Sprintf("%.40s", jitter), jitters))
		}
		p.Jitter = Jitter(jitter)
	}
	first, most, two := strings.Cut(times, "..")
	if !two {
		most = first
	}
	var err error
	if p.First, err = input.Duration(first); err == nil {
		p.Most, err = input.Duration(most)
	}
	if err != nil {
		return Policy{}, fmt.Errorf("must be the first wait and the longest, like %s, not %.40q", Example, text)
	}
	if p.First < shortest || p.First > p.Most || p.Most > longest {
		return Policy{}, fmt.Errorf("must be two times from %v to %v, the shorter one first, not %s..%s", shortest, longest, p.First, p.Most)
	}
	return p, nil
}

// String returns a text that Parse reads.
func (p Policy) String() string {
	p = p.orDefault()
	times := p.First.String()
	if p.Most != p.First {
		times += ".." + p.Most.String()
	}
	return times + "/" + string(p.Jitter)
}

// Longest returns the longest wait.
func (p Policy) Longest() time.Duration { return p.orDefault().Most }

func (p Policy) orDefault() Policy {
	if p == (Policy{}) {
		return Default
	}
	return p
}

// Waits returns the waits of a user that begins to try.
func (p Policy) Waits() Waits {
	p = p.orDefault()
	return Waits{policy: p, last: p.First}
}

// Waits are the waits of one user. They are not safe for concurrent use.
type Waits struct {
	policy Policy
	last   time.Duration // the bound of the next wait; with decorrelated jitter the wait before
}

// Next returns the next wait.
func (w *Waits) Next() time.Duration {
	p := w.policy
	if p.Jitter == Decorrelated {
		w.last = min(p.Most, p.First+upTo(3*w.last-p.First))
		return w.last
	}
	bound := w.last
	w.last = min(2*bound, p.Most)
	switch p.Jitter {
	case Half:
		return bound/2 + upTo(bound/2)
	case Full:
		return upTo(bound)
	}
	return bound
}

// upTo returns a time from 0 to most.
func upTo(most time.Duration) time.Duration { return rand.N(most + 1) }
