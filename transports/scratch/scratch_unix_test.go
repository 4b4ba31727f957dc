//go:build unix

package scratch_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pushpull/transports/scratch"
)

// TestOfOthers has a directory of another user, and one whose lock would never be opened.
func TestOfOthers(t *testing.T) {
	temp := inTemp(t)
	write(t, filepath.Join(temp, "p-1", "files", "file"))
	if err := syscall.Mkfifo(filepath.Join(temp, "p-1", "lock"), 0o600); err != nil {
		t.Fatal(err)
	}
	remade(t, "p")
	if !exists(filepath.Join(temp, "p-1", "files", "file")) {
		t.Error("a directory with a pipe for a lock was removed")
	}
	killed := newMaker(t, "p")
	killed.kill()
	if err := os.Chown(filepath.Dir(killed.dir), os.Geteuid()+1, -1); err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		t.Skip(err) // only root can give files away
	}
	remade(t, "p")
	if !exists(killed.dir) {
		t.Error("the directory of another user was removed")
	}
}

// TestRemoveFails removes a directory that can't be removed yet. A later process does.
func TestRemoveFails(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may remove everything")
	}
	temp := inTemp(t)
	dir, err := scratch.Make("p")
	if err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(dir.Path, "held")
	write(t, filepath.Join(held, "file"))
	if err := os.Chmod(held, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := dir.Remove(); err == nil {
		t.Fatal("it was removed")
	}
	remade(t, "p")
	if err := os.Chmod(held, 0o700); err != nil {
		t.Fatal(err)
	}
	remade(t, "p")
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
