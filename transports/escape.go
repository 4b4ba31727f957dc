package transports

import "unicode/utf8"

// escapes holds the length of each ASCII character in a JSON string; 0 for the bytes that are a part of
// a longer character. Strings are spelled as encoding/json spells them: <, > and & are escaped too, so
// that JSON can stand in a script of a page.
var escapes = func() (length [256]uint8) {
	for c := range utf8.RuneSelf {
		length[c] = 1
		if c < 0x20 || c == '<' || c == '>' || c == '&' {
			length[c] = 6 // \u00XX
		}
	}
	for _, c := range "\\\"\b\f\n\r\t" {
		length[c] = 2
	}
	return length
}()

// escapedLen returns the length of s in a JSON string, without the quotes.
func escapedLen(s []byte) int {
	n := plainLen(s)
	for i := n; i < len(s); {
		if length := escapes[s[i]]; length > 0 {
			n += int(length)
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		if escapedRune(r, size) {
			n += 6
		} else {
			n += size
		}
		i += size
	}
	return n
}

// plainLen returns the length of the beginning of s that needs no escape, which for most messages is all.
func plainLen(s []byte) int {
	for i, c := range s {
		if escapes[c] != 1 {
			return i
		}
	}
	return len(s)
}

// escapedRune reports whether a character beyond ASCII is escaped: an invalid byte, which becomes U+FFFD,
// and the two line ends that JavaScript knows and JSON doesn't.
func escapedRune(r rune, size int) bool {
	return r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029'
}

// appendEscaped appends s to buf as the inside of a JSON string.
func appendEscaped(buf, s []byte) []byte {
	const hex = "0123456789abcdef"
	plain := 0 // s[plain:i] needs no escape and is still to be appended
	for i := plainLen(s); i < len(s); {
		length := escapes[s[i]]
		if length == 1 {
			i++
			continue
		}
		if length == 0 {
			r, size := utf8.DecodeRune(s[i:])
			if escapedRune(r, size) {
				buf = append(buf, s[plain:i]...)
				buf = append(buf, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
				plain = i + size
			}
			i += size
			continue
		}
		buf = append(buf, s[plain:i]...)
		switch c := s[i]; c {
		case '\\', '"':
			buf = append(buf, '\\', c)
		case '\b':
			buf = append(buf, '\\', 'b')
		case '\f':
			buf = append(buf, '\\', 'f')
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		plain = i
	}
	return append(buf, s[plain:]...)
}

// appendString appends s as a JSON string.
func appendString(buf, s []byte) []byte {
	buf = append(buf, '"')
	buf = appendEscaped(buf, s)
	return append(buf, '"')
}
