package process

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
)

// Program returns the SHA-256 hash of the file that this process runs, in hex. On Linux it is that of the
// file that was started, even if another one is at its path by now. The file is read once, by the first
// call. Program is safe for concurrent use.
func Program() (string, error) { return program() }

var program = sync.OnceValues(func() (string, error) {
	file, err := os.Open("/proc/self/exe")
	if err != nil { // not Linux
		path, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("finding this program: %w", err)
		}
		if file, err = os.Open(path); err != nil {
			return "", fmt.Errorf("reading this program: %w", err)
		}
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
})
