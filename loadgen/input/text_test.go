package input

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	encodings "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// encoded returns text in each encoding that YAML knows, with and without a byte order mark.
func encoded(t testing.TB, text string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"UTF-8": []byte(text), "UTF-8 with a mark": []byte("\ufeff" + text)}
	for name, e := range map[string]encoding.Encoding{
		"UTF-16BE":             encodings.UTF16(encodings.BigEndian, encodings.IgnoreBOM),
		"UTF-16BE with a mark": encodings.UTF16(encodings.BigEndian, encodings.UseBOM),
		"UTF-16LE":             encodings.UTF16(encodings.LittleEndian, encodings.IgnoreBOM),
		"UTF-16LE with a mark": encodings.UTF16(encodings.LittleEndian, encodings.UseBOM),
		"UTF-32BE":             utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
		"UTF-32BE with a mark": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
		"UTF-32LE":             utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM),
		"UTF-32LE with a mark": utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
	} {
		data, err := e.NewEncoder().Bytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = data
	}
	return all
}

// TestEncodings reads a text in every encoding, whole and as a stream of single bytes.
func TestEncodings(t *testing.T) {
	text := "name: café 🙂\nabout: 日本語\n"
	long := text + strings.Repeat("# é\n", headSize)
	all := encoded(t, text)
	if len(all) != 10 {
		t.Fatalf("%d encodings", len(all))
	}
	for name, data := range all {
		if got, err := Text(data); err != nil || got != text {
			t.Errorf("%s is read as %q, %v", name, got, err)
		}
	}
	for name, data := range encoded(t, long) {
		r := NewReader(iotest.OneByteReader(bytes.NewReader(data)))
		if got, err := io.ReadAll(r); err != nil || string(got) != long {
			t.Errorf("a stream in %s is read as %d bytes, %v, want %d", name, len(got), err, len(long))
		}
		if !bytes.Equal(r.Head(), data[:headSize]) {
			t.Errorf("the head of a stream in %s is not its beginning", name)
		}
	}
	for name, short := range map[string]string{"nothing": "", "one letter": "a", "two": "ab", "three": "abc"} {
		if got, err := io.ReadAll(NewReader(strings.NewReader(short))); err != nil || string(got) != short {
			t.Errorf("%s is read as %q, %v", name, got, err)
		}
	}
}

// TestReaderFails checks that an error of the file is returned after what was read before it.
func TestReaderFails(t *testing.T) {
	broke := errors.New("broke")
	for _, before := range []string{"", "abc", strings.Repeat("a", headSize), strings.Repeat("a", headSize+1)} {
		got, err := io.ReadAll(NewReader(io.MultiReader(strings.NewReader(before), iotest.ErrReader(broke))))
		if !errors.Is(err, broke) || string(got) != before {
			t.Errorf("after %d bytes: %d bytes, %v", len(before), len(got), err)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"a\r\nb\rc\n\r\n", "a\nb\nc\n\n"},
		{"\ufeff", ""},
		{"a\tb\u0085\u00a0", "a\tb\u0085\u00a0"},
		{"\ufeffa\ufeff", "a\ufeff"},
	} {
		if got, err := Text([]byte(c.data)); err != nil || got != c.want {
			t.Errorf("%q is read as %q, %v, want %q", c.data, got, err, c.want)
		}
	}
	for _, c := range []struct{ data, want string }{
		{"caf\xe9", "1:4: this is not UTF-8: save the file as UTF-8"},
		{"é\r\né\x07", "2:2: the character U+0007 can't be in a text: leave it out"},
		{"a\r\r\x1b", "3:1: the character U+001B can't be in a text: leave it out"},
		{"\xef\xbb\xbf\x7f", "1:1: the character U+007F can't be in a text: leave it out"},
		{"a\ufffe", "1:2: the character U+FFFE can't be in a text: leave it out"},
	} {
		if got, err := Text([]byte(c.data)); err == nil || err.Error() != c.want {
			t.Errorf("%q is read as %q, %v, want %s", c.data, got, err, c.want)
		}
	}
}

// FuzzReader checks that a stream is read as the same file is at once.
func FuzzReader(f *testing.F) {
	for _, data := range encoded(f, "{\"run\":1}\n🙂") {
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := io.ReadAll(NewReader(iotest.HalfReader(bytes.NewReader(data))))
		if want := decode(data); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q is read as %q, %v, want %q", data, got, err, want)
		}
	})
}
