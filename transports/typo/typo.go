// Package typo words the error for a name that is on no list, and guesses which name was meant.
//
// It keeps no list: every list of names is its owner's.
package typo

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Unknown returns the error for a name that is none of known. It suggests the known name that was probably
// meant; if there is none, it lists all. what says what is named, like "transport". Known names may be
// addresses, of which only the scheme counts: postgre://localhost is meant to be
// postgres://USER@HOST/DATABASE.
func Unknown(what, name string, known []string) error {
	if meant := Nearest(name, known); meant != "" {
		return fmt.Errorf("unknown %s %q: did you mean %q?", what, name, meant)
	}
	if len(known) == 0 {
		return fmt.Errorf("unknown %s %q", what, name)
	}
	return fmt.Errorf("unknown %s %q: use %s", what, name, strings.Join(known, ", "))
}

// Nearest returns the known name that name was probably meant to be, or "". That is the one with the
// fewest typing errors, at most one in three letters, or else the first that begins with name.
func Nearest(name string, known []string) string {
	name = scheme(name)
	nearest, least := "", 1+(utf8.RuneCountInString(name)+1)/3
	for _, candidate := range known {
		if n := errors(name, scheme(candidate)); n < least {
			nearest, least = candidate, n
		}
	}
	for _, candidate := range known {
		if nearest == "" && len(strings.Trim(name, "-")) > 1 && strings.HasPrefix(scheme(candidate), name) {
			nearest = candidate
		}
	}
	return nearest
}

// scheme returns the part of an address that says what it is, or all of any other name.
func scheme(name string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), ":")
	return name
}

// errors returns the smallest number of typing errors that make b of a: a letter that is missing, too many
// or another one, or two neighbours in the wrong order. (This is the optimal string alignment distance.)
func errors(a, b string) int {
	from, to := []rune(a), []rune(b)
	// The rows of the distances of the beginnings of from to those of to.
	before, above, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range from {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range to {
			other := 0
			if from[i] != to[j] {
				other = 1
			}
			row[j+1] = min(above[j]+other, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(to)]
}
