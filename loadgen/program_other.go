//go:build !linux

package loadgen

import "os"

// ownImage returns a path that starts the file which this process runs, whatever is at the file's path
// now; "" if the system has none.
func ownImage() string { return "" }

// heldPath returns a path that starts the open file after it was renamed or removed, too; "" if there is
// none.
func heldPath(*os.File) string { return "" }

// imagePath returns a path of the file that a process runs; "" if the system has none.
func imagePath(int) string { return "" }
