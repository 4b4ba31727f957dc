//go:build unix

package scratch

import (
	"os"
	"syscall"
)

// tryLock takes the lock of a file until it is closed. It returns false if a process holds it, this one
// included, or if there are no locks.
func tryLock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// own reports whether a file belongs to the user of this process.
func own(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
