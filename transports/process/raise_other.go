//go:build !linux

package process

import "os"

// MayRaiseFiles reports whether whoever runs this process could start one that may have so many files open: below the
// hard limit, which FileLimit is, or as the superuser.
func MayRaiseFiles(to int) bool { return to <= FileLimit() || os.Geteuid() == 0 }
