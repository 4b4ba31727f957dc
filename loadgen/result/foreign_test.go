package result

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	encodings "golang.org/x/text/encoding/unicode"

	"pushpull/loadgen/input"
)

// TestReadForeign checks that the file of each other program is named in one line, without a word of
// the decoders.
func TestReadForeign(t *testing.T) {
	samples, err := filepath.Glob("../input/testdata/*")
	if err != nil || len(samples) < 50 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(path)
		format := input.Identify(data)
		if format.IsResult() {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if want := path + ": " + format.NotResult(); err == nil || err.Error() != want || !strings.Contains(want, ": this is ") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestReadEncodings reads a result as an editor on Windows saves it, and checks the position of a
// mistake in it.
func TestReadEncodings(t *testing.T) {
	window := aWindow("websocket", 1)
	kept := lines(t, Line{Run: &aRun}, Line{Window: &window})
	wrong := lines(t, Line{Run: &aRun}, `{"window":{"transport":"日本","users":many}}`)
	for name, e := range map[string]encoding.Encoding{
		"UTF-8 with a mark": encodings.UTF8BOM,
		"UTF-16BE":          encodings.UTF16(encodings.BigEndian, encodings.IgnoreBOM), "UTF-16BE with a mark": encodings.UTF16(encodings.BigEndian, encodings.UseBOM),
		"UTF-16LE": encodings.UTF16(encodings.LittleEndian, encodings.IgnoreBOM), "UTF-16LE with a mark": encodings.UTF16(encodings.LittleEndian, encodings.UseBOM),
	} {
		read := func(text string) (*Result, error) {
			encoded, err := e.NewEncoder().String(strings.ReplaceAll(text, "\n", "\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			return Read(strings.NewReader(encoded), "x")
		}
		if res, err := read(kept); err != nil || asJSON(t, res) != asJSON(t, Result{aRun, []Window{window}}) {
			t.Errorf("%s is read as %+v, %v", name, res, err)
		}
		if _, err := read(wrong); err == nil || err.Error() != "x:2:37: not a pushpull result: from here on the line is not JSON" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenDirectory checks what is said of a directory without a result: which one in it has one.
func TestOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	open := func(want string) {
		t.Helper()
		_, err := Open(dir)
		if !errors.Is(err, fs.ErrNotExist) || !regexp.MustCompile(want+"$").MatchString(err.Error()) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	open("holds no result.jsonl: give a directory that pushpull run wrote")
	for i := range 5 {
		within := filepath.Join(dir, fmt.Sprintf("run[%d", i))
		if err := os.Mkdir(within, 0o755); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(within, File), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(`holds no result.jsonl itself: give a directory in it, like .*run.1, .*run.2, .*run.3`)
}

// TestReadOldNames reads a result whose scenario has a name that a new scenario can't have.
func TestReadOldNames(t *testing.T) {
	for _, name := range []string{"chat:v2?", "a b", "CON", strings.Repeat("a", 300), ""} {
		run := aRun
		run.Scenario.Name = name
		res, err := Read(strings.NewReader(lines(t, Line{Run: &run})), "x")
		if err != nil || res.Run.Scenario.Name != name {
			t.Errorf("%q: %v", name, err)
		}
	}
}
