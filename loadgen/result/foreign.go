package result

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pushpull/loadgen/input"
)

// wrongLine returns the error for a line of a file. Before the first line of a result was read, begun
// is false, and the file may have another format: head is its beginning.
func wrongLine(name string, number int, line []byte, begun bool, head []byte, err error) error {
	if !begun {
		if format := input.Identify(head); !format.IsResult() {
			return fmt.Errorf("%s: %s", name, format.NotResult())
		}
	}
	column, text := input.JSONError(line, err)
	if text == err.Error() { // not one of JSON
		return fmt.Errorf("%s:%d: not a pushpull result: %w", name, number, err)
	}
	return fmt.Errorf("%s:%d:%d: not a pushpull result: %s", name, number, column, text)
}

// within returns the path of the result in a directory. If there is none, the error is fs.ErrNotExist
// and names the directories in it that hold one.
func within(dir string) (string, error) {
	path := filepath.Join(dir, File)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return path, nil // opening it says why
	}
	var others []string
	for _, entry := range entries {
		if entry.Name() == File {
			return path, nil
		}
		if _, err := os.Stat(filepath.Join(dir, entry.Name(), File)); err == nil {
			others = append(others, filepath.Join(dir, entry.Name()))
		}
	}
	advice := "holds no " + File + ": give a directory that pushpull run wrote"
	if len(others) > 0 {
		advice = "holds no " + File + " itself: give a directory in it, like " + strings.Join(others[:min(len(others), 3)], ", ")
	}
	return "", &missingError{"reading a result: " + dir + " " + advice}
}

// A missingError is an fs.ErrNotExist with words of its own.
type missingError struct{ text string }

func (e *missingError) Error() string      { return e.text }
func (*missingError) Is(target error) bool { return target == fs.ErrNotExist }
