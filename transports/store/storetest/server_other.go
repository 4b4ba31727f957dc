//go:build !linux

package storetest

import "syscall"

// A user is whom a server runs as that refuses to be run by root: here always the test's own.
type user struct{}

func unprivileged() (*user, error) { return nil, nil }

func (u *user) own(string) error { return nil }

func (u *user) attributes() *syscall.SysProcAttr { return nil }
