package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"pushpull/transports"
)

var errSilent = fmt.Errorf("no answer from PostgreSQL within %v", answerTimeout)

// A failure is an error of pgx with its text in one line; pgx may use several.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// fail adds to err what was being done and, if known, what a person can do about it. If ctx has
// ended, its cause replaces err.
func fail(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	text := doing + ": " + strings.Join(strings.Fields(err.Error()), " ")
	if help := help(err); help != "" {
		text += ": " + help
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "53100" { // disk_full
		err = errors.Join(transports.ErrFull, err)
	}
	return &failure{text, err}
}

// withoutAddress returns an error of parsing an address without the address in its text: pgx leaves
// the password of a user out of it, but not the settings that may hold one.
func withoutAddress(err error) error {
	parsing, ok := errors.AsType[*pgconn.ParseConfigError](err)
	if !ok {
		return err // of a setting of the pool, which it names
	}
	_, why, _ := strings.Cut(err.Error(), "`"+parsing.ConnString+"`: ")
	if _, after, found := strings.Cut(err.Error(), "`: "); why == "" && found {
		why = after
	}
	return &failure{"cannot parse it: " + why, err}
}

func help(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case "42501": // insufficient_privilege
			return "grant it to this user, or choose a schema with search_path in the address"
		case "42P01": // undefined_table
			return "the tables were dropped; to make new ones, start the server again"
		case "53300": // too_many_connections
			return "lower pool_max_conns in the address, or raise the server's max_connections"
		}
		return ""
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return "is PostgreSQL running there?"
	}
	return ""
}
