package nats

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// An Embedded is a NATS server with JetStream within this process, on a port of the loopback
// interface. Its streams are files in a temporary directory.
type Embedded struct {
	server *server.Server
	dir    string // removed with it; "": somebody else's
}

// Embed starts a server. It is to be closed.
func Embed() (*Embedded, error) {
	dir, err := os.MkdirTemp("", "pushpull-nats-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for NATS: %w", err)
	}
	s, err := serve(dir, server.RANDOM_PORT)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Embedded{server: s, dir: dir}, nil
}

func serve(dir string, port int) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port,
		JetStream: true, StoreDir: dir,
		NoSigs: true, NoLog: true,
	})
	if err != nil {
		return nil, fmt.Errorf("starting a NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10*time.Second) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("starting a NATS server: it is not ready: is there room in %s?", dir)
	}
	return s, nil
}

// URL is the address at which Open finds the server.
func (e *Embedded) URL() string { return e.server.ClientURL() }

// Close ends the server and removes its streams.
func (e *Embedded) Close() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if err := os.RemoveAll(e.dir); err != nil {
		return fmt.Errorf("removing the streams of NATS: %w", err)
	}
	return nil
}
