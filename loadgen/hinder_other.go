//go:build !linux

package loadgen

import (
	"errors"
	"os/exec"
)

// canFreeze says that freeze and limitFiles don't work.
const canFreeze = false

func freeze(*exec.Cmd, bool) error { return errors.ErrUnsupported }

func limitFiles(int, bool) error { return errors.ErrUnsupported }
