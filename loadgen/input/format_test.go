package input

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormats identifies the sample of each format, also as an editor on Windows writes texts, and
// fails for an entry without a sample and for a sample without an entry.
func TestFormats(t *testing.T) {
	samples, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[string][]byte{}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		key, _, _ := strings.Cut(filepath.Base(path), ".")
		byKey[key] = data
	}
	for _, f := range formats() {
		data, ok := byKey[f.Key]
		delete(byKey, f.Key)
		if got := Identify(data); !ok || got == nil || got.Key != f.Key {
			t.Errorf("testdata/%s*, which is there: %v, is taken for %+v", f.Key, ok, got)
		}
		if text, err := Text(data); err == nil && f.Key != "empty" {
			windows := []byte("\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"))
			if got := Identify(windows); got == nil || got.Key != f.Key {
				t.Errorf("testdata/%s* with a byte order mark and \\r\\n is taken for %+v", f.Key, got)
			}
		}
		if f.Name == "" || strings.ContainsAny(f.Name+f.scenario+f.result, "\n") {
			t.Errorf("%s has the name %q", f.Key, f.Name)
		}
	}
	for key := range byKey {
		t.Errorf("testdata/%s* has no entry in the list of formats", key)
	}
}

// TestOthers checks that what is no file of another program is not taken for one.
func TestOthers(t *testing.T) {
	for _, text := range []string{"hello", "user: 2\n", "name: chat\nabout: a, b\nduration: 5s\n", "- users: 2\n", "# a scenario\n", "5\n", "{}", "\x00\xff\xfe", "<", "["} {
		if f := Identify([]byte(text)); f != nil {
			t.Errorf("%q is taken for %s", text, f.Name)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, head []byte) {
		format := Identify(head)
		if text := format.NotResult(); strings.Contains(text, "\n") {
			t.Errorf("%q is more than one line", text)
		}
	})
}
