package scratch_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/scratch"
)

// makerFor is the environment variable of a process that makes a directory with the prefix in it, prints
// its path, and runs until its standard input ends.
const makerFor = "PUSHPULL_SCRATCH_TEST_MAKER"

func TestMain(m *testing.M) {
	if prefix := os.Getenv(makerFor); prefix != "" {
		dir, err := scratch.Make(prefix)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(dir.Path)
		_, _ = io.Copy(io.Discard, os.Stdin)
		if err := dir.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each maker under -race takes a second to end
	goleak.VerifyTestMain(m)
}

// A maker is a process that has made a directory.
type maker struct {
	dir     string
	process *exec.Cmd
	input   io.Closer
	output  io.Reader
}

// newMaker starts a maker, which ends with the test, and waits for its directory.
func newMaker(t *testing.T, prefix string) *maker {
	t.Helper()
	m := startMaker(t, prefix)
	m.await(t)
	return m
}

func startMaker(t *testing.T, prefix string) *maker {
	t.Helper()
	m := &maker{process: exec.Command(os.Args[0])}
	m.process.Env = append(os.Environ(), makerFor+"="+prefix)
	m.process.Stderr = os.Stderr
	var err error
	if m.input, err = m.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if m.output, err = m.process.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.kill)
	return m
}

// await waits until the maker has made its directory.
func (m *maker) await(t *testing.T) {
	t.Helper()
	line, err := bufio.NewReader(m.output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	m.dir = strings.TrimSpace(line)
}

func (m *maker) kill() {
	m.process.Process.Kill()
	_ = m.process.Wait() // fails, as it was killed
}

// end lets the maker end by itself.
func (m *maker) end(t *testing.T) {
	t.Helper()
	m.input.Close()
	if err := m.process.Wait(); err != nil {
		t.Error(err)
	}
}

// inTemp makes an empty directory the one for temporary files.
func inTemp(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // Windows
	return dir
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// remade makes a directory in this process and removes it again.
func remade(t *testing.T, prefix string) {
	t.Helper()
	dir, err := scratch.Make(prefix)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir.Path, "deep", "file"))
	if err := dir.Remove(); err != nil {
		t.Error(err)
	}
	if exists(dir.Path) {
		t.Errorf("%s was not removed", dir.Path)
	}
}

// TestKilled kills one of three processes. What it left is removed, by the next process that makes a
// directory with the same prefix; the others keep theirs.
func TestKilled(t *testing.T) {
	temp := inTemp(t)
	outside := filepath.Join(t.TempDir(), "file")
	write(t, outside)

	killed, running, other := newMaker(t, "p"), newMaker(t, "p"), newMaker(t, "q")
	write(t, filepath.Join(killed.dir, "deep", "file"))
	link(t, filepath.Dir(outside), filepath.Join(killed.dir, "link"))
	write(t, filepath.Join(running.dir, "file"))
	killed.kill()
	other.kill()
	remade(t, "p")
	if exists(filepath.Dir(killed.dir)) {
		t.Error("the directory of a killed process was not removed")
	}
	if !exists(outside) {
		t.Error("a link was followed")
	}
	if !exists(filepath.Join(running.dir, "file")) {
		t.Error("the directory of a running process was removed")
	}
	if !exists(other.dir) {
		t.Error("a directory with another prefix was removed")
	}
	running.end(t)
	remade(t, "q")
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		if runtime.GOOS != "windows" {
			t.Fatal(err)
		}
		t.Skip(err) // it wants a right for it
	}
}

// TestNotAbandoned has directories that only look like those of a killed process.
func TestNotAbandoned(t *testing.T) {
	temp := inTemp(t)
	elsewhere := t.TempDir()
	write(t, filepath.Join(elsewhere, "lock"))
	write(t, filepath.Join(elsewhere, "files", "file"))
	write(t, filepath.Join(temp, "p-1", "result.jsonl"))  // made by something else
	write(t, filepath.Join(temp, "p-2", "lock"))          // about to take its lock
	write(t, filepath.Join(temp, "p-3", "files", "file")) // without a lock
	write(t, filepath.Join(temp, "p-4", "files", "file"))
	link(t, filepath.Join(elsewhere, "lock"), filepath.Join(temp, "p-4", "lock"))
	write(t, filepath.Join(temp, "p-5", "lock"))
	link(t, filepath.Join(elsewhere, "files"), filepath.Join(temp, "p-5", "files"))
	link(t, elsewhere, filepath.Join(temp, "p-6"))
	write(t, filepath.Join(temp, "p-7"))
	remade(t, "p")
	for _, path := range []string{
		"p-1/result.jsonl", "p-2/lock", "p-3/files/file", "p-4/files/file", "p-4/lock", "p-5/lock", "p-5/files", "p-6", "p-7",
	} {
		if !exists(filepath.Join(temp, filepath.FromSlash(path))) {
			t.Errorf("%s was removed", path)
		}
	}
	for _, path := range []string{"lock", "files/file"} {
		if !exists(filepath.Join(elsewhere, filepath.FromSlash(path))) {
			t.Errorf("%s was removed through a link", path)
		}
	}
}

// TestAtOnce starts processes at the same time, beside the directories of killed ones: none loses its own,
// and the others are removed.
func TestAtOnce(t *testing.T) {
	temp := inTemp(t)
	for range 3 {
		newMaker(t, "p").kill()
	}
	makers := make([]*maker, 8)
	for i := range makers {
		makers[i] = startMaker(t, "p")
	}
	for _, m := range makers {
		m.await(t)
	}
	remade(t, "p")
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != len(makers) {
		t.Errorf("%d directories, %v, want %d", len(left), err, len(makers))
	}
	for _, m := range makers {
		if !exists(m.dir) {
			t.Errorf("%s was removed while its process runs", m.dir)
		}
		m.end(t)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestNowhere has no directory for temporary files.
func TestNowhere(t *testing.T) {
	missing := filepath.Join(inTemp(t), "missing")
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	if dir, err := scratch.Make("p"); err == nil || !strings.HasPrefix(err.Error(), "making a temporary directory: ") || !strings.Contains(err.Error(), missing) {
		if err == nil {
			dir.Remove()
		}
		t.Errorf("got %v", err)
	}
}
