package transports

import (
	"fmt"
	"time"
)

// A Key is a sender's name for one of its messages in a room, unlike those of all others. With it a message whose
// acknowledgement was lost can be sent again without being stored twice: see Store. The zero Key is none.
type Key string

// KeyTime is how long a store knows the key of a message at least, as long as the message is in the log.
const KeyTime = 2 * time.Minute

// MaxKey is the largest number of bytes of a key.
const MaxKey = 64

// Validate returns an error, which is ErrText, if k can't be a key. Keys are spelled without escapes everywhere.
func (k Key) Validate() error {
	ok := len(k) <= MaxKey
	for _, c := range []byte(k) {
		ok = ok && '!' <= c && c <= '~' && c != '"' && c != '\\'
	}
	if !ok {
		return fmt.Errorf(`%w: the key %.80q must have 1 to %d characters of ASCII, without spaces, " and \`, ErrText, string(k), MaxKey)
	}
	return nil
}
