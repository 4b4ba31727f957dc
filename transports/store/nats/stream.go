package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// schema is the version of how the log is kept in the stream, whose metadata says it.
	schema    = 1
	schemaKey = "pushpull-schema"

	// roomMark begins the part of a subject that is the room: there is one without a name.
	roomMark = "r"

	// stored ends the subject on which the server tells of a message that it has stored.
	stored = ".stored"
)

// openStream makes the stream unless there is one, and returns the retention of its rooms.
func openStream(ctx context.Context, conn *nats.Conn, name string, retention int, log *slog.Logger) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	js, err := jetstream.New(conn)
	if err != nil {
		return 0, fmt.Errorf("opening JetStream: %w", err)
	}
	account, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return 0, fmt.Errorf("opening JetStream: %w: start the server with nats-server -js, or let the account use it", err)
	case err != nil:
		return 0, fmt.Errorf("opening JetStream: %w", err)
	case account.API.Level < 2: // what a read relies on
		return 0, fmt.Errorf("the NATS server has version %s: use 2.12 or later", conn.ConnectedServerVersion())
	}
	want := config(name, retention)
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
		stream, err = js.Stream(ctx, name)
	}
	if err != nil {
		return 0, fmt.Errorf("opening stream %s: %w", name, err)
	}
	have := stream.CachedInfo().Config
	if err := check(have, want); err != nil {
		return 0, err
	}
	keeps := int(have.MaxMsgsPerSubject) - 1
	if retention > keeps {
		return 0, fmt.Errorf("stream %s keeps %d messages per room, not %d: use a retention of %d at most, or another stream (?stream=NAME)", name, keeps, retention, keeps)
	}
	if retention > 0 && retention < keeps {
		log.Warn("the stream keeps more messages per room than it has to", "stream", name, "keeps", keeps, "retention", retention)
	}
	return uint64(keeps), nil
}

func config(name string, retention int) jetstream.StreamConfig {
	if retention <= 0 {
		retention = DefaultRetention
	}
	return jetstream.StreamConfig{
		Name:              name,
		Description:       "the rooms of pushpull",
		Subjects:          []string{name + ".*"},
		MaxMsgsPerSubject: int64(retention) + 1, // the last one tells that others have left before it
		Discard:           jetstream.DiscardOld,
		Storage:           jetstream.FileStorage,
		Replicas:          1,
		AllowDirect:       true,
		RePublish:         &jetstream.RePublish{Source: name + ".*", Destination: name + ".{{wildcard(1)}}" + stored, HeadersOnly: true},
		Metadata:          map[string]string{schemaKey: strconv.Itoa(schema)},
	}
}

// check says why a stream can't be used.
func check(have, want jetstream.StreamConfig) error {
	version, err := strconv.Atoi(have.Metadata[schemaKey])
	switch {
	case err != nil:
		return fmt.Errorf("stream %s was not made by pushpull: use another one (?stream=NAME)", have.Name)
	case version > schema:
		return fmt.Errorf("stream %s was made by a newer pushpull (schema %d, this one knows %d): use that, or another stream (?stream=NAME)", have.Name, version, schema)
	case have.Replicas > 1:
		return fmt.Errorf("stream %s has %d replicas, of which some may be behind: use another one (?stream=NAME)", have.Name, have.Replicas)
	case !have.AllowDirect, have.RePublish == nil, *have.RePublish != *want.RePublish,
		have.MaxMsgs > 0, have.MaxBytes > 0, have.MaxAge > 0, have.MaxMsgsPerSubject < 2:
		return fmt.Errorf("stream %s is not configured any more as pushpull has made it: use another one (?stream=NAME)", have.Name)
	}
	return nil
}
