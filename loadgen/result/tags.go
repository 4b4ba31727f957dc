package result

import (
	"cmp"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// Limits of what people say about a run.
const (
	mostNote = 1000 // bytes
	mostTags = 20
	mostTag  = 200 // bytes of a value
)

var tagKey = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,50}$`)

// CheckRemarks returns an error if a note or tags are not such as a result can hold: up to 1,000 bytes, and up to
// 20 tags with keys of 1 to 50 letters, digits, dots, dashes and underscores, and values of up to 200 bytes. All of it
// must be UTF-8. The values may hold anything else: whatever shows them cleans them.
func CheckRemarks(note string, tags map[string]string) error {
	switch {
	case len(note) > mostNote:
		return fmt.Errorf("a note of %d bytes is too long: write at most %d", len(note), mostNote)
	case !utf8.ValidString(note):
		return fmt.Errorf("the note %.50q is not UTF-8", note)
	case len(tags) > mostTags:
		return fmt.Errorf("%d tags are too many: give at most %d", len(tags), mostTags)
	}
	var found error
	for key, value := range tags {
		var err error
		switch {
		case !tagKey.MatchString(key):
			err = fmt.Errorf("bad key %.60q of a tag: use 1 to 50 letters, digits, dots, dashes and underscores", key)
		case len(value) > mostTag:
			err = fmt.Errorf("the tag %s has a value of %d bytes: write at most %d", key, len(value), mostTag)
		case !utf8.ValidString(value):
			err = fmt.Errorf("the tag %s has the value %.50q, which is not UTF-8", key, value)
		}
		found = cmp.Or(found, err)
	}
	return found
}
