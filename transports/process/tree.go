package process

import (
	"errors"
	"fmt"
	"time"
)

// ErrEnded means that the first process of a Tree has ended.
var ErrEnded = errors.New("the process has ended")

// A Tree is a process and all that descend from it, like those of a server with workers. It keeps what it has seen,
// so that the CPU time never runs back when a process ends. A Tree is not safe for concurrent use.
type Tree struct {
	root  int32
	born  uint64 // when the root was started, as the system counts it: a later process may get its number
	known map[int32]*member
	kept  time.Duration // of members that have ended, and whose parent is none
}

// A member is a process of a Tree.
type member struct {
	parent int32
	born   uint64
	own    time.Duration // CPU time of all its threads, those that have ended included
	reaped time.Duration // CPU time of its children that have ended, as the system reports it to the parent
	kept   time.Duration // of what has ended below it, as far as the Tree knows
	group  int32         // its process group; 0: unknown
}

// OpenTree returns the Tree of a process on this machine. The error says that there is none, or that it can't be
// read.
func OpenTree(pid int) (*Tree, error) {
	t := &Tree{root: int32(pid), known: map[int32]*member{}}
	if pid <= 0 || int(t.root) != pid {
		return nil, fmt.Errorf("no process has the number %d", pid)
	}
	born, err := bornAt(t.root)
	if err != nil {
		return nil, fmt.Errorf("there is no process %d that this user may look at: check the number, as pgrep prints it: %w", pid, err)
	}
	t.born = born
	if _, err := t.Usage(); err != nil {
		return nil, err
	}
	return t, nil
}

// Usage returns the usage of all processes together. CPU is that of the processes since they started, and so are only
// differences between two calls of use: they hold what processes have used that were started and ended in between, as
// far as their parents waited for them (in units of 10 ms on Linux). RSS is resident memory of which each page counts
// once if the system reports how many processes share it (PSS, on Linux, of processes of the same user), else once for
// each process. The error is ErrEnded if the first process has ended.
func (t *Tree) Usage() (Usage, error) {
	living, err := t.living()
	if err != nil {
		return Usage{}, err
	}
	return Usage{CPU: t.follow(living), RSS: memoryOf(living)}, nil
}

// CPU returns the CPU of Usage. It costs less, as memory takes long to count.
func (t *Tree) CPU() (time.Duration, error) {
	living, err := t.living()
	if err != nil {
		return 0, err
	}
	return t.follow(living), nil
}

// living returns the processes that live now, the root among them.
func (t *Tree) living() (map[int32]*member, error) {
	if born, err := bornAt(t.root); err != nil || born != t.born {
		return nil, ErrEnded
	}
	living, err := t.members()
	if err != nil {
		return nil, fmt.Errorf("reading the processes of %d: %w", t.root, err)
	}
	if living[t.root] == nil {
		return nil, ErrEnded
	}
	return living, nil
}

// follow takes note of the processes that live now, and returns the CPU time of all that were ever seen.
//
// What a process has used that has ended is known twice: as it was last seen, and, if its parent has waited for it,
// as a part of what the parent reaped. The larger one counts.
func (t *Tree) follow(living map[int32]*member) time.Duration {
	ended := map[int32]time.Duration{} // by the nearest ancestor that lives
	for pid, m := range t.known {
		now := living[pid]
		if now != nil && now.born == m.born {
			continue
		}
		heir := m.parent
		for hops := 0; hops < len(t.known); hops++ {
			if up := living[heir]; up != nil && (t.known[heir] == nil || t.known[heir].born == up.born) {
				break
			}
			up := t.known[heir]
			if up == nil {
				break
			}
			heir = up.parent
		}
		if living[heir] == nil {
			t.kept += m.own + m.kept
			continue
		}
		ended[heir] += m.own + m.kept
	}
	sum := t.kept
	for pid, m := range living {
		reaped := m.reaped
		if before := t.known[pid]; before != nil && before.born == m.born {
			reaped -= before.reaped
			m.kept = before.kept
			m.own = max(m.own, before.own)
		}
		m.kept += max(reaped, ended[pid])
		sum += m.own + m.kept
	}
	t.known = living
	return sum
}

// belongs returns the processes that descend from the root, of those that run; also those in its process group, and
// those that descended from it when they were seen first, as a process whose parent ends gets another one.
func (t *Tree) belongs(all map[int32]*member) map[int32]*member {
	in := map[int32]*member{}
	own := all[t.root] != nil && all[t.root].group == t.root // else it shares the group of who started it
	var ofTree func(pid int32, hops int) bool
	ofTree = func(pid int32, hops int) bool {
		m := all[pid]
		if m == nil || hops > len(all) {
			return false
		}
		if in[pid] != nil {
			return true
		}
		before := t.known[pid]
		if pid == t.root || before != nil && before.born == m.born || own && m.group == t.root || ofTree(m.parent, hops+1) {
			in[pid] = m
			return true
		}
		return false
	}
	for pid := range all {
		ofTree(pid, 0)
	}
	return in
}
