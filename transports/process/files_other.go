//go:build !unix

package process

// FileLimit returns how many files, connections included, this process may have open; 0 if unknown.
func FileLimit() int { return 0 }
