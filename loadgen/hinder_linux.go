package loadgen

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// canFreeze says that freeze and limitFiles work.
const canFreeze = true

// freeze stops all processes of a child's group, or lets them go on.
func freeze(c *exec.Cmd, frozen bool) error {
	signal := syscall.SIGCONT
	if frozen {
		signal = syscall.SIGSTOP
	}
	if err := syscall.Kill(-c.Process.Pid, signal); err != nil {
		return fmt.Errorf("freezing a server: %w", err)
	}
	return nil
}

// limitFiles makes every write to a file of a process fail, as on a full disk, or lets it write again.
func limitFiles(pid int, full bool) error {
	limit := unix.Rlimit{}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return fmt.Errorf("reading the limit of a server's files: %w", err)
	}
	limit.Cur = limit.Max
	if full {
		limit.Cur = 1
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("limiting the files of a server: %w", err)
	}
	return nil
}
