//go:build !linux

package storetest

import "syscall"

// A user runs a server that refuses to run as root. Here that is always the test's own user.
type user struct{}

func unprivileged() (*user, error) { return nil, nil }

func (u *user) own(string) error { return nil }

func (u *user) attributes() *syscall.SysProcAttr { return nil }
