package input

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxName is the longest name, in bytes of UTF-8. Most file systems allow 255, some that encrypt allow
// 143, and a time of 18 bytes or more follows; Windows allows 260 characters for a whole path.
const maxName = 100

// WrongName returns what keeps name from being that of a file or directory on Linux, macOS and Windows
// and in an artifact on GitHub, or "". The text continues a sentence that begins with the name's key.
// A name is one word in any script, without invisible characters, which reports replace: so two names
// that look the same are the same.
func WrongName(name string) string {
	if name == "" {
		return "must be a word that can name a directory: it is empty"
	}
	if len(name) > maxName {
		return fmt.Sprintf("must be at most %d bytes long to name a directory, not %d: use a shorter one, and about for the rest", maxName, len(name))
	}
	for _, r := range name {
		switch {
		case strings.ContainsRune(`<>:"/\|?*`, r), unicode.IsSpace(r):
			return fmt.Sprintf("must be a word that can name a directory on every system: leave out the %q in %q", r, name)
		case r == unicode.ReplacementChar, !unicode.IsPrint(r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			return fmt.Sprintf("must be a word of visible characters: leave out the %U in %+q", r, name)
		}
	}
	base, _, _ := strings.Cut(name, ".")
	switch {
	case strings.HasPrefix(name, "."):
		return fmt.Sprintf("must not begin with a dot, as it names a directory, which would be hidden: %q", name)
	case strings.HasSuffix(name, "."):
		return fmt.Sprintf("must not end with a dot, as it names a directory, and Windows removes the dot: %q", name)
	case isDevice(base):
		return fmt.Sprintf("must not be %q, which names a device on Windows: use another word", base)
	}
	return ""
}

// isDevice returns true for the names that Windows keeps for devices, whatever ending a file has.
func isDevice(base string) bool {
	base = strings.ToUpper(base)
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if number, ok := strings.CutPrefix(base, port); ok && len([]rune(number)) == 1 && strings.Contains("0123456789¹²³", number) {
			return true
		}
	}
	return false
}

// Name returns name as it is compared and written: in Unicode's normal form C, as a letter with an
// accent may be spelled in two ways that look the same.
func Name(name string) string { return norm.NFC.String(name) }
