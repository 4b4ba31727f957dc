package input

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"chat", "chat-v2", "my.chat", "chat_2", "café", "日本語", "чат", "🙂", "❤️", "a'b", "a&b", "50%",
		"console", "con-1", "com", "com10", "nulls", "common.x", "-chat", "~chat", strings.Repeat("a", maxName),
	} {
		if wrong := WrongName(Name(name)); wrong != "" {
			t.Errorf("%q %s", name, wrong)
		}
		if err := os.Mkdir(filepath.Join(dir, name+"-20260301-120000-99"), 0o755); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]string{
		"": "it is empty", "chat:v2?": `leave out the ':' in "chat:v2?"`, "a<b": "'<'", "a>b": "'>'", `a"b`: `'"'`, "a/b": "'/'", "..": "dot",
		`a\b`: `'\\'`, "a|b": "'|'", "a?": "'?'", "a*": "'*'", "a b": "' '", "chat ": "' '", "a\u00a0b": `'\u00a0'`, "a\u3000b": `'\u3000'`,
		"a\tb": `'\t'`, "a\nb": `'\n'`, "a\x00b": "U+0000", "a\x1b[31m": "U+001B", "a\x7f": "U+007F", "a\u202eb": "U+202E", "a\u2066b": "U+2066",
		"a\u200bb": "U+200B", "a\ufeffb": "U+FEFF", "a\u00adb": "U+00AD", "👩\u200d💻": "U+200D", "می\u200cروم": "U+200C", "a\u3164": "U+3164", "a\ue000": "U+E000", "a\ufffdb": "U+FFFD", "a\uffff": "U+FFFF",
		".hidden": "begin with a dot", "chat.": "end with a dot", "CON": `"CON"`, "con": `"con"`, "nul.txt": `"nul"`, "Aux.tar.gz": `"Aux"`, "prn": `"prn"`,
		"com1": `"com1"`, "LPT9.x": `"LPT9"`, "com¹": `"com¹"`, "lpt0": `"lpt0"`, "conin$": `"conin$"`, strings.Repeat("a", maxName+1): "at most 100 bytes long",
		strings.Repeat("語", 34): "not 102",
	} {
		if wrong := WrongName(name); !strings.HasPrefix(wrong, "must ") || !strings.Contains(wrong, want) || strings.ContainsAny(wrong, "\n\x00\x1b\u202e") {
			t.Errorf("%q %q, want %q in it", name, wrong, want)
		}
	}
	if Name("cafe\u0301") != "café" {
		t.Error("an accent on its own is not joined with its letter")
	}
}

// FuzzName checks that a right name is a single part of a path, and names a directory.
func FuzzName(f *testing.F) {
	for _, name := range []string{"chat", "日本語", "..", "a/b", "con", "cafe\u0301", "\xff"} {
		f.Add(name)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, name string) {
		name = Name(name)
		if WrongName(name) != "" {
			return
		}
		if !filepath.IsLocal(name) || filepath.Base(name) != name || !utf8.ValidString(name) || len(name) > maxName {
			t.Errorf("%q is no name of a directory", name)
		}
		within := filepath.Join(dir, name)
		if err := os.Mkdir(within, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
		os.Remove(within)
	})
}
