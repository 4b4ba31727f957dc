//go:build unix

package process

import "syscall"

// FileLimit returns how many files, connections included, this process may have open; 0 if unknown. The
// Go runtime raises it to the hard limit at the start.
func FileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) //nolint:unconvert // it is signed on FreeBSD
}
