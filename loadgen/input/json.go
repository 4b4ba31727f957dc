package input

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// JSONError returns, for an error of json.Unmarshal of one line of a file, the column in characters at
// which the line is wrong, 1 if unknown, and what is wrong in plain words. An error that a type's own
// UnmarshalJSON has returned keeps its words.
func JSONError(line []byte, err error) (column int, text string) {
	at := func(offset int64) int {
		return 1 + utf8.RuneCount(line[:min(max(offset, 0), int64(len(line)))])
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		whole := strings.TrimRight(string(line), " \t\r\n")
		if syntax.Offset >= int64(len(whole)) && !json.Valid(line) && strings.HasPrefix(syntax.Error(), "unexpected end") {
			return at(int64(len(whole))), "the line ends in the middle of a JSON object"
		}
		return at(syntax.Offset - 1), "from here on the line is not JSON"
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what, _, _ := strings.Cut(kind.Value, " ")
		if kind.Field == "" {
			return 1, fmt.Sprintf("each line must hold a JSON object, not a %s", what)
		}
		return at(kind.Offset), fmt.Sprintf("%s can't be the %s that it is here", kind.Field, kind.Value)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return 1, "a time must be written like 2026-03-01T12:00:00Z"
	}
	return 1, err.Error()
}
