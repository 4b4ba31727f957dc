package dialect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pushpull/transports"
)

// A LackingError means that a server offers no such transport.
type LackingError struct {
	Server    string // its title
	Transport string // without a setting
	Has       []string
}

func (e *LackingError) Error() string {
	return fmt.Sprintf("%s has no %s: use %s", e.Server, e.Transport, strings.Join(e.Has, ", "))
}

// Client returns the user's side of one of d's transports, like "short-poll@5s".
func Client(d Dialect, spec string) (transports.Client, error) {
	name, _, _ := strings.Cut(spec, "@")
	var has []string
	for _, way := range d.Ways() {
		has = append(has, way.Transport)
	}
	if !slices.Contains(has, name) {
		return nil, &LackingError{d.About().Title, name, has}
	}
	return nil, errors.New("not yet")
}
