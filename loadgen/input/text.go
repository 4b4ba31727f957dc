// Package input reads what comes from outside: the text of files, numbers, names of files, and which
// format a file has.
//
// It knows neither scenarios nor results, only how to tell them from the files of other programs.
package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	encodings "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// encodingOf returns the encoding of a text from its first four bytes, as section 5.2 of YAML 1.2 does:
// by its byte order mark, or by where its first character, which is one of ASCII, has zeros. It returns
// nil for UTF-8. mark is the length of the byte order mark.
func encodingOf(first []byte) (e encoding.Encoding, mark int) {
	has := func(prefix string) bool { return bytes.HasPrefix(first, []byte(prefix)) }
	zero := func(zeros ...bool) bool {
		if len(first) < len(zeros) {
			return false
		}
		for i, want := range zeros {
			if (first[i] == 0) != want {
				return false
			}
		}
		return true
	}
	var (
		big16    = encodings.UTF16(encodings.BigEndian, encodings.IgnoreBOM)
		little16 = encodings.UTF16(encodings.LittleEndian, encodings.IgnoreBOM)
		big32    = utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
		little32 = utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	)
	switch {
	case has("\x00\x00\xfe\xff"):
		return big32, 4
	case zero(true, true, true, false):
		return big32, 0
	case has("\xff\xfe\x00\x00"):
		return little32, 4
	case zero(false, true, true, true):
		return little32, 0
	case has("\xfe\xff"):
		return big16, 2
	case zero(true, false):
		return big16, 0
	case has("\xff\xfe"):
		return little16, 2
	case zero(false, true):
		return little16, 0
	case has("\xef\xbb\xbf"):
		return nil, 3
	}
	return nil, 0
}

// decode returns data as UTF-8 without its byte order mark. Bytes that are no character in UTF-16 or
// UTF-32 become U+FFFD; those in UTF-8 stay as they are.
func decode(data []byte) []byte {
	e, mark := encodingOf(data)
	data = data[mark:]
	if e == nil {
		return data
	}
	decoded, _, err := transform.Bytes(e.NewDecoder(), data)
	if err != nil {
		return data // can't happen: the decoders replace what they can't decode
	}
	return decoded
}

// A TextError reports a character that a text can't hold.
type TextError struct {
	Line, Column int // in characters, from 1
	Text         string
}

func (e *TextError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text) }

// Text returns the text of a file that was written in UTF-8, UTF-16 or UTF-32, with or without a byte
// order mark. Its lines end with \n alone, also if they ended with \r\n or \r, so that every reader
// counts them as an editor does. The error is a *TextError.
func Text(data []byte) (string, error) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(decode(data)))
	line, column := 1, 1
	for i, r := range text {
		switch _, size := utf8.DecodeRuneInString(text[i:]); {
		case r == utf8.RuneError && size == 1:
			return "", &TextError{line, column, "this is not UTF-8: save the file as UTF-8"}
		case r == '\n':
			line, column = line+1, 0
		case r == '\t' || r == '\u0085':
		case unicode.IsControl(r) || r == '\ufffe' || r == '\uffff':
			return "", &TextError{line, column, fmt.Sprintf("the character %U can't be in a text: leave it out", r)}
		}
		column++
	}
	return text, nil
}

// headSize is how much of a file Identify gets, in bytes: enough for the first keys of a JSON object.
const headSize = 16 << 10

// A Reader reads a file as UTF-8 without a byte order mark, from UTF-8, UTF-16 or UTF-32, and keeps its
// beginning. It holds a few KB, however long the file is. It is not safe for concurrent use.
type Reader struct {
	text io.Reader
	head []byte
}

// NewReader returns a Reader of the file that r reads. Errors of r are returned by Read.
func NewReader(r io.Reader) *Reader {
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	e, mark := encodingOf(head)
	rest := r
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		rest = broken{err}
	}
	text := io.MultiReader(bytes.NewReader(head[mark:]), rest)
	if e != nil {
		text = transform.NewReader(text, e.NewDecoder())
	}
	return &Reader{text, head}
}

func (r *Reader) Read(p []byte) (int, error) { return r.text.Read(p) }

// Head returns the first bytes of the file as they are, for Identify.
func (r *Reader) Head() []byte { return r.head }

// broken is a reader that fails.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
