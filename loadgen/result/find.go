package result

import (
	"context"
	"io/fs"
	"slices"
	"strings"
)

// deepest is how many levels below a directory are searched for results: the directory may be any, even
// a whole disk.
const deepest = 4

// Find returns the paths of the files called result.jsonl in fsys: in its root, and in the directories that
// Searched reports. It does not open them, and follows no links to directories. troubles say which directories
// could not be searched. It returns an error only if ctx has ended.
func Find(ctx context.Context, fsys fs.FS) (paths []string, troubles []error, err error) {
	err = fs.WalkDir(fsys, ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			troubles = append(troubles, err)
		case d.IsDir() && at != "." && !Searched(at):
			return fs.SkipDir
		case !d.IsDir() && d.Name() == File:
			paths = append(paths, at)
		}
		return nil
	})
	return paths, troubles, err
}

// Searched reports whether Find looks for results in dir, a path within the file system: it is at most 4
// levels deep, and neither it nor a directory above it is hidden.
func Searched(dir string) bool {
	segments := strings.Split(dir, "/")
	hidden := slices.ContainsFunc(segments, func(s string) bool { return strings.HasPrefix(s, ".") })
	return !hidden && len(segments) <= deepest
}
