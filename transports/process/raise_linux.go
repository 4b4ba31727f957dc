package process

import "golang.org/x/sys/unix"

// MayRaiseFiles reports whether whoever runs this process could start one that may have so many files open: below the
// hard limit, or with the right to raise that, which is found out by raising it for a moment.
func MayRaiseFiles(to int) bool {
	var was unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		return false
	}
	if uint64(to) <= was.Max {
		return true
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: was.Cur, Max: uint64(to)}, nil); err != nil {
		return false
	}
	_ = unix.Prlimit(0, unix.RLIMIT_NOFILE, &was, nil) // lowering a limit is always allowed
	return true
}
