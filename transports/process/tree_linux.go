package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on all systems that Go runs on.
const tick = 10 * time.Millisecond

// bornAt returns when a process was started, in ticks since the machine was.
func bornAt(pid int32) (uint64, error) {
	m, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	return m.born, nil
}

// members returns the processes of the tree that live now.
func (t *Tree) members() (map[int32]*member, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(0)
	_ = dir.Close()
	if err != nil {
		return nil, err
	}
	all := map[int32]*member{}
	for _, name := range names {
		pid, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue // no process
		}
		if m, err := statOf(int32(pid)); err == nil { // else it has ended
			all[int32(pid)] = m
		}
	}
	in := t.belongs(all)
	for pid, m := range in {
		// The clock of a process counts nanoseconds of all its threads, also of those that have ended; utime and stime
		// of /proc/PID/stat count ticks, and /proc/PID/task/*/schedstat those threads that live (clock_getcpuclockid(3)).
		var used unix.Timespec
		if err := unix.ClockGettime(^pid<<3|2, &used); err == nil {
			m.own = time.Duration(used.Nano())
		}
	}
	return in, nil
}

// statOf reads /proc/PID/stat, except for the CPU time of the process itself in units smaller than a tick.
func statOf(pid int32) (*member, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return parseStat(data)
}

var errStat = errors.New("/proc/PID/stat is not in the format of proc_pid_stat(5)")

// parseStat parses /proc/PID/stat: after the name in parentheses, which may hold anything, come numbers (proc_pid_stat(5)).
func parseStat(data []byte) (*member, error) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return nil, errStat
	}
	fields := bytes.Fields(data[end+1:]) // the state is field 3 of the manual, and 0 here
	if len(fields) < 20 {
		return nil, errStat
	}
	number := func(field int) int64 {
		n, parseErr := strconv.ParseInt(string(fields[field-3]), 10, 64)
		if parseErr != nil {
			end = -1
		}
		return n
	}
	m := &member{
		parent: int32(number(4)), group: int32(number(5)), born: uint64(number(22)),
		own: time.Duration(number(14)+number(15)) * tick, reaped: time.Duration(number(16)+number(17)) * tick,
	}
	if end < 0 {
		return nil, errStat
	}
	return m, nil
}

// memoryOf returns the memory of processes: PSS if it is known of all, else the sum of RSS.
func memoryOf(members map[int32]*member) uint64 {
	var resident, shared uint64
	whole := true
	for pid := range members {
		if pages, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
			if fields := bytes.Fields(pages); len(fields) > 1 {
				n, _ := strconv.ParseUint(string(fields[1]), 10, 64)
				resident += n * uint64(os.Getpagesize())
			}
		}
		bytes, ok := pssOf(pid)
		shared, whole = shared+bytes, whole && ok
	}
	if whole && shared > 0 {
		return shared
	}
	return resident
}

// pssOf returns the proportional share of the memory of a process; false if it can't be read.
func pssOf(pid int32) (uint64, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			fields := bytes.Fields(rest)
			if len(fields) == 0 {
				return 0, false
			}
			n, err := strconv.ParseUint(string(fields[0]), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}
