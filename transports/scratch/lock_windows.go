package scratch

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the lock of a file until it is closed. It returns false if a process holds it, this one
// included, or if there are no locks.
func tryLock(file *os.File) bool {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, new(windows.Overlapped)) == nil
}

// own reports whether a file belongs to the user of this process: on Windows each user has a temporary
// directory of their own.
func own(os.FileInfo) bool { return true }
