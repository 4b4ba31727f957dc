package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

var errSilent = fmt.Errorf("no answer from PostgreSQL within %v", patience)

// A failure is an error of pgx, which may take several lines, in one.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// fail says what couldn't be done, why, and what helps. When ctx has ended, that is why.
func fail(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	text := doing + ": " + strings.Join(strings.Fields(err.Error()), " ")
	if help := help(err); help != "" {
		text += ": " + help
	}
	return &failure{text, err}
}

func help(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case "42501": // insufficient_privilege
			return "grant it to this user, or name a schema of its own with search_path in the address"
		case "53300": // too_many_connections
			return "lower pool_max_conns in the address, or raise max_connections of the server"
		}
		return ""
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return "is PostgreSQL running there?"
	}
	return ""
}
