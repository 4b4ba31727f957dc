package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Redis returns a Redis that keeps every acknowledged message: the one at the address in
// $PUSHPULL_TEST_REDIS or, without one, a server that it starts and that stops when t ends.
func Redis(t testing.TB) *Server {
	t.Helper()
	return program{
		name:     "redis-server",
		install:  "redis-server",
		variable: "PUSHPULL_TEST_REDIS",
		url:      func(port int) string { return fmt.Sprintf("redis://127.0.0.1:%d", port) },
		command: func(executable, dir string, port int) []string {
			return []string{
				executable, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir,
				"--appendonly", "yes", "--appendfsync", "always", "--save", "",
			}
		},
		ready: pingRedis,
	}.serve(t)
}

// pingRedis returns nil once Redis has loaded its data and answers.
func pingRedis(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+PONG\r\n" {
		err = errors.New(strings.TrimSpace(answer))
	}
	return err
}
