package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"pushpull/transports"
)

const (
	// schema is the version of the log's layout in the stream, and is kept in its metadata.
	schema    = 2
	schemaKey = "pushpull-schema"

	// roomMark begins the part of a subject that is the room, which may have an empty name.
	roomMark = "r"

	// stored ends the subject on which the server republishes the header of a stored message.
	stored = ".stored"

	// created begins the subject on which the server reports a new stream, before it republishes a header.
	created = "$JS.EVENT.ADVISORY.STREAM.CREATED."
)

// openStream creates the stream if it is missing, and returns the retention of its rooms.
func openStream(ctx context.Context, conn *nats.Conn, name string, retention int, logger *slog.Logger) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	js, err := jetstream.New(conn)
	if err != nil {
		return 0, fmt.Errorf("opening JetStream: %w", err)
	}
	account, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return 0, fmt.Errorf("opening JetStream: %w: start the server with nats-server -js, or enable JetStream for the account", err)
	case err != nil:
		return 0, fmt.Errorf("opening JetStream: %w", err)
	case account.API.Level < 2: // before 2.12, see the package doc
		return 0, fmt.Errorf("the NATS server has version %s: use 2.12 or later", conn.ConnectedServerVersion())
	}
	want := config(name, retention)
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process has just created it
		stream, err = js.Stream(ctx, name)
	}
	if err != nil {
		return 0, fmt.Errorf("opening stream %s: %w", name, err)
	}
	have := stream.CachedInfo().Config
	if err := check(have, want); err != nil {
		return 0, err
	}
	// The messages of an older schema have no tags. Nobody but an administrator makes the server forget ids earlier.
	if have.Metadata[schemaKey] != want.Metadata[schemaKey] || have.Duplicates < want.Duplicates {
		have.Metadata[schemaKey], have.Duplicates = want.Metadata[schemaKey], max(have.Duplicates, want.Duplicates)
		if _, err := js.UpdateStream(ctx, have); err != nil {
			return 0, fmt.Errorf("bringing stream %s to schema %d: %w", name, schema, err)
		}
	}
	keeps := int(have.MaxMsgsPerSubject) - 1
	if retention > keeps {
		return 0, fmt.Errorf("stream %s keeps %d messages per room, not %d: use a retention of %d at most, or another stream (?stream=NAME)", name, keeps, retention, keeps)
	}
	if retention > 0 && retention < keeps {
		logger.Warn("the stream keeps more messages per room than the retention", "stream", name, "keeps", keeps, "retention", retention)
	}
	return uint64(keeps), nil
}

func config(name string, retention int) jetstream.StreamConfig {
	if retention <= 0 {
		retention = transports.DefaultRetention
	}
	return jetstream.StreamConfig{
		Name:              name,
		Description:       "the rooms of pushpull",
		Subjects:          []string{name + ".*"},
		MaxMsgsPerSubject: int64(retention) + 1, // one more than the log has, see the package doc
		Discard:           jetstream.DiscardOld,
		Storage:           jetstream.FileStorage,
		Replicas:          1,
		FirstSeq:          firstNumber(time.Now()), // of two processes that create the stream at once, one wins
		AllowDirect:       true,
		Duplicates:        transports.KeyTime,
		RePublish:         &jetstream.RePublish{Source: name + ".*", Destination: name + ".{{wildcard(1)}}" + stored, HeadersOnly: true},
		Metadata:          map[string]string{schemaKey: strconv.Itoa(schema)},
	}
}

// check reports why a stream can't be used.
func check(have, want jetstream.StreamConfig) error {
	version, err := strconv.Atoi(have.Metadata[schemaKey])
	switch {
	case err != nil:
		return fmt.Errorf("stream %s was not created by pushpull: use another one (?stream=NAME)", have.Name)
	case version > schema:
		return fmt.Errorf("stream %s was created by a newer pushpull (schema %d, this one knows %d): use that pushpull, or another stream (?stream=NAME)", have.Name, version, schema)
	case have.Replicas > 1:
		return fmt.Errorf("stream %s has %d replicas, and one that is behind may answer a read: use another stream (?stream=NAME)", have.Name, have.Replicas)
	case !have.AllowDirect, have.RePublish == nil, *have.RePublish != *want.RePublish,
		have.MaxMsgs > 0, have.MaxBytes > 0, have.MaxAge > 0, have.MaxMsgsPerSubject < 2:
		return fmt.Errorf("stream %s is no longer configured as pushpull created it: use another one (?stream=NAME)", have.Name)
	}
	return nil
}
