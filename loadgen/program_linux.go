package loadgen

import (
	"fmt"
	"os"
)

// ownImage returns a path that starts the file which this process runs, whatever is at the file's path
// now; "" if the system has none.
func ownImage() string {
	const path = "/proc/self/exe"
	if _, err := os.Stat(path); err != nil {
		return "" // /proc is not mounted
	}
	return path
}

// heldPath returns a path that starts the open file after it was renamed or removed, too; "" if there is
// none. A script has none: its interpreter would get a path that means nothing to the script.
func heldPath(file *os.File) string {
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil || string(magic[:]) != "\x7fELF" {
		return ""
	}
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// imagePath returns a path of the file that a process runs; "" if the system has none.
func imagePath(pid int) string {
	path := fmt.Sprintf("/proc/%d/exe", pid)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
