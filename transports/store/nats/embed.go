package nats

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pushpull/transports/scratch"
)

// An Embedded is a NATS server with JetStream within this process, on a port of the loopback
// interface. Its streams are files in a temporary directory, which is removed when it is closed.
type Embedded struct {
	server *server.Server
	stream string // of the address
	dir    *scratch.Dir
}

// Embed starts a server for an address like "nats:" or "nats:?stream=NAME". The caller must close
// it. The streams of a process that was killed stay until the next call of Embed on the machine by the
// same user, which removes them: a lock shows that their process has ended.
func Embed(address string) (*Embedded, error) {
	servers, stream, err := parse(address)
	if err != nil {
		return nil, err
	}
	if servers != withinProcess {
		return nil, fmt.Errorf("starting a NATS server: %s is one that runs elsewhere: use %s", withoutUser(servers), withinProcess)
	}
	dir, err := scratch.Make("pushpull-nats")
	if err != nil {
		return nil, fmt.Errorf("starting a NATS server: %w", err)
	}
	s, err := serve(dir.Path, server.RANDOM_PORT)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	return &Embedded{server: s, stream: stream, dir: dir}, nil
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
		return nil, fmt.Errorf("starting a NATS server: it did not get ready within 10s: check that there is space left in %s", dir)
	}
	return s, nil
}

// URL returns the address at which Open finds the stream on the server.
func (e *Embedded) URL() string {
	return e.server.ClientURL() + "?" + url.Values{"stream": {e.stream}}.Encode()
}

// Close stops the server and removes its streams.
func (e *Embedded) Close() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if err := e.dir.Remove(); err != nil {
		return fmt.Errorf("removing the streams of NATS: %w", err)
	}
	return nil
}
