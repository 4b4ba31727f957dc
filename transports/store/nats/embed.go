package nats

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pushpull/transports/scratch"
)

// An Embedded is a NATS server within this process, on a port of the loopback interface. If it has streams, they are files in a
// temporary directory, which is removed when it is closed.
type Embedded struct {
	server *server.Server
	stream string       // of the address
	dir    *scratch.Dir // nil: it has no streams
	token  string       // that its clients must know; empty: none
}

// EmbedPlain starts a server without streams for clients that know the token. The caller must close it.
func EmbedPlain(token string) (*Embedded, error) { return embedPlain(token, server.RANDOM_PORT) }

func embedPlain(token string, port int) (*Embedded, error) {
	s, err := serve(server.Options{Authorization: token, Port: port})
	if err != nil {
		return nil, err
	}
	return &Embedded{server: s, token: token}, nil
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
	s, err := serve(withStreams(dir.Path, server.RANDOM_PORT))
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	return &Embedded{server: s, stream: stream, dir: dir}, nil
}

// withStreams returns the options of a server with streams in a directory.
func withStreams(dir string, port int) server.Options {
	return server.Options{JetStream: true, StoreDir: dir, Port: port}
}

// serve starts a server on loopback.
func serve(o server.Options) (*server.Server, error) {
	o.Host, o.NoSigs, o.NoLog = "127.0.0.1", true, true
	s, err := server.NewServer(&o)
	if err != nil {
		return nil, fmt.Errorf("starting a NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10*time.Second) || o.JetStream && !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		hint := ""
		if o.JetStream {
			hint = ": check that there is space left in " + o.StoreDir
		}
		return nil, fmt.Errorf("starting a NATS server: it did not get ready within 10s%s", hint)
	}
	return s, nil
}

// URL returns the address at which Open finds the stream on the server, or that of a server without streams, with its token.
func (e *Embedded) URL() string {
	if e.dir == nil {
		at := &url.URL{Scheme: "nats", Host: e.server.Addr().String()}
		if e.token != "" {
			at.User = url.User(e.token)
		}
		return at.String()
	}
	return e.server.ClientURL() + "?" + url.Values{"stream": {e.stream}}.Encode()
}

// Close stops the server and removes its streams.
func (e *Embedded) Close() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if e.dir == nil {
		return nil
	}
	if err := e.dir.Remove(); err != nil {
		return fmt.Errorf("removing the streams of NATS: %w", err)
	}
	return nil
}
