//go:build unix

package main

import (
	"cmp"
	"os"
	"strings"
)

// showsUTF8 reports whether the locale of the environment has the encoding UTF-8. The first variable that
// is set decides, as in setlocale(3).
func showsUTF8() bool {
	locale := strings.ToUpper(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8")
}

// takesSequences reports whether a terminal takes control sequences: colours, and moves of its cursor.
func takesSequences(*os.File) bool {
	kind := os.Getenv("TERM")
	return kind != "" && kind != "dumb"
}
