package loadgen

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A Program is a program that serves, as it was when it was opened. A run starts it many times, and a
// build in another terminal may replace its file meanwhile. On Linux the file is held, so that the program
// that was opened is started even if another one is at its path by then, or none; and the system is asked
// which file each server runs. Scripts, and programs on other systems, are started by their path, and
// their file is compared before and after each start.
//
// A file is the same as long as its content is. What a script starts without being replaced by it (exec)
// can't be seen, nor can the libraries that a program loads.
//
// The zero value is the program of a running server, which is asked for it.
//
// A Program is not safe for concurrent use.
type Program struct {
	path string      // of the file; it starts the program as long as the file is the same
	file fingerprint // of the file when it was opened
	held string      // starts the file that was opened, whatever is at path; "" if the system can't

	openFile *os.File // keeps held valid; may be nil

	image    *fingerprint // of the file that the first server ran; nil: none was started, or the system doesn't say
	reported string       // what a running server first reported to run; "": nothing yet
}

// OpenProgram opens the program at path; an empty path means this binary. The caller must close it.
func OpenProgram(path string) (*Program, error) {
	p, err := openProgram(path)
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	return p, nil
}

func openProgram(path string) (_ *Program, err error) {
	p := &Program{path: path}
	if path == "" {
		if p.path, err = os.Executable(); err != nil {
			return nil, err
		}
		p.held = ownImage()
		path = cmp.Or(p.held, p.path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) { // it may be started, but not read
		p.file.info = info
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if p.file, err = fingerprintOf(file); err != nil {
		file.Close()
		return nil, err
	}
	if p.held == "" {
		if p.held = heldPath(file); p.held != "" {
			p.openFile = file
			return p, nil
		}
	}
	file.Close() // Windows would not let anybody remove an open file
	return p, nil
}

// Close lets go of the file. Servers that were started run on. Closing nil does nothing.
func (p *Program) Close() {
	if p != nil && p.openFile != nil {
		p.openFile.Close()
	}
}

// start returns the path that starts the program, and whether the file there is the one that was
// opened.
func (p *Program) start() (path string, same bool) {
	same = p.file.matches(p.path)
	if !same && p.held != "" {
		return p.held, true
	}
	return p.path, same
}

// differs reports whether a process runs another file than the first one did. same is that of start.
func (p *Program) differs(pid int, same bool) bool {
	if running := imagePath(pid); running != "" {
		if p.image == nil {
			p.image = p.imageOf(running)
		}
		if p.image != nil && !p.image.matches(running) {
			return true
		}
		if p.image != nil && p.held != "" {
			return false // what is at the path now doesn't matter
		}
	}
	return !same || !p.file.matches(p.path)
}

// reports reports whether running servers, which report what they run, run another program than first.
func (p *Program) reports(programs []string) bool {
	for _, running := range programs {
		if p.reported = cmp.Or(p.reported, running); running != p.reported {
			return true
		}
	}
	return false
}

// imageOf returns the fingerprint of the file that a process runs, which usually is that of the program;
// nil if it can't be read.
func (p *Program) imageOf(running string) *fingerprint {
	if image := p.file; image.matches(running) {
		return &image
	}
	file, err := os.Open(running)
	if err != nil {
		return nil
	}
	defer file.Close()
	image, err := fingerprintOf(file)
	if err != nil {
		return nil
	}
	return &image
}

// explain adds to the error of a start that the program's file has changed, if it has.
func (p *Program) explain(err error) error {
	if p.file.matches(p.path) {
		return err
	}
	return fmt.Errorf("%w: %s was changed or removed since it was first read: leave it alone, or measure a copy of it", err, p.path)
}

// A fingerprint identifies the content of a file.
type fingerprint struct {
	info os.FileInfo       // of the last file that was found to have the content
	sum  [sha256.Size]byte // zero if the file can't be read
}

func fingerprintOf(file *os.File) (f fingerprint, err error) {
	if f.info, err = file.Stat(); err != nil {
		return f, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return f, err
	}
	sum.Sum(f.sum[:0])
	return f, nil
}

// matches reports whether the file at path has the content. It reads the file only if it is another one
// than the last time, or was written or touched since.
func (f *fingerprint) matches(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) {
		return true
	}
	if info.Size() != f.info.Size() || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	now, err := fingerprintOf(file)
	if err != nil || now.sum != f.sum {
		return false
	}
	f.info = now.info
	return true
}
