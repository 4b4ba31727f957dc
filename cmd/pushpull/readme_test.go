package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// shorter makes a documented run quick, as the test checks only that it works. fewTransports replaces the
// transports of a scenario, as draining takes as long as their polling interval.
const (
	shorter       = "--users 20 --rate 10 --warmup 0s --duration 200ms --rounds 1 --quiet"
	fewTransports = "--transports long-poll,websocket"
)

// readmeSetting prepares what the commands of a README use: results, a scenario file and a server. The
// results are recorded, as results measured on a busy machine might not pass pushpull check.
const readmeSetting = `
mkdir results/a results/b
cp $RECORDED/base/result.jsonl results/a/result.jsonl
cp $RECORDED/head/result.jsonl results/b/result.jsonl
start other pushpull serve --listen :0
address other URL
exits 0 pushpull scenarios chat
cp stdout mine.yaml
`

// readmes returns the paths of all READMEs of the project, without those in testdata.
func readmes(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "testdata"}, entry.Name()):
			return filepath.SkipDir
		case entry.Name() == "README.md":
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestReadme runs the pushpull commands in the sh blocks of each README. A block after the line
// <!-- long --> is left out.
func TestReadme(t *testing.T) {
	t.Parallel()
	recorded, err := filepath.Abs("../../testdata/results/duet")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files []string
	for _, path := range readmes(t) {
		readme, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		commands := readmeCommands(string(readme))
		if len(commands) == 0 {
			continue
		}
		script := fmt.Sprintf("env 'RECORDED=%s'\n%s", recorded, readmeSetting)
		for i, args := range commands {
			script += readmeStep(fmt.Sprint("readme", i), args)
		}
		name := cmp.Or(strings.ReplaceAll(filepath.ToSlash(filepath.Dir(path)), "/", "-"), "readme")
		file := filepath.Join(dir, strings.TrimLeft(name, ".-")+"readme.txtar")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if len(files) < 4 {
		t.Fatalf("only %d READMEs show commands, want at least 4", len(files))
	}
	runScripts(t, testscript.Params{Files: files})
}

// link matches a Markdown link or image that refers to a file of the project.
var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

// Links in a README lead to existing files, and the main README can be read in five minutes.
func TestReadmesAreSound(t *testing.T) {
	const most = 1200 // words
	for _, path := range readmes(t) {
		readme, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(readme), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), found[1])); err != nil {
				t.Errorf("%s links to %s: %v", path, found[1], err)
			}
		}
		if n := len(strings.Fields(string(readme))); path == filepath.Join("..", "..", "README.md") && n > most {
			t.Errorf("%s has %d words, more than %d: move what is about one folder to its README", path, n, most)
		}
	}
}

// The main README begins with what pushpull report prints of the result beside it.
func TestReadmeShowsItsResult(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "```text\n")
	shown, _, _ = strings.Cut(shown, "```")
	res, err := result.Open("../../results/chat")
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := report.Table(&printed, text.Screen{UTF8: true}, report.NewRun("", res)); err != nil {
		t.Fatal(err)
	}
	if shown != printed.String() {
		t.Errorf("the README shows\n%s\nbut LANG=C.UTF-8 pushpull report results/chat prints\n%s", shown, printed.String())
	}
}

// The main README shows the table of a result with other servers.
func TestReadmeShowsServers(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "## Your server")
	_, shown, _ = strings.Cut(shown, "```text\n")
	shown, _, _ = strings.Cut(shown, "```")
	res, err := result.Open("../../results/servers/chat")
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := report.Table(&printed, text.Screen{UTF8: true}, report.NewRun("", res)); err != nil {
		t.Fatal(err)
	}
	if shown == "" || !strings.Contains(printed.String(), shown) {
		t.Errorf("the README shows\n%s\nbut LANG=C.UTF-8 pushpull report results/servers/chat prints\n%s", shown, printed.String())
	}
}

// The main README answers its question with the costs beside it.
func TestReadmeShowsItsAnswer(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "```text\n")
	_, shown, _ = strings.Cut(shown, "```text\n")
	shown, _, _ = strings.Cut(shown, "```")
	root := newRootCommand()
	var printed strings.Builder
	root.SetOut(&printed)
	root.SetErr(io.Discard)
	root.SetArgs(strings.Fields("choose --from ../../results/costs --users 20000 --room 2 --every 30s --within 1s"))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if shown == "" || !strings.HasPrefix(printed.String(), shown) {
		t.Errorf("the README shows\n%s\nbut pushpull choose prints\n%s", shown, printed.String())
	}
}

// The main README shows what the claims beside it came to, as soon as there are any.
func TestReadmeShowsClaims(t *testing.T) {
	const dir = "../../results/claims"
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "|claim|")
	shown, _, _ = strings.Cut(shown, "\n\n")
	index, err := result.ReadIndex(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if shown != "" {
			t.Error("the README shows claims that were not measured")
		}
		return
	} else if err != nil {
		t.Fatal(err)
	}
	results, err := openPoints(io.Discard, dir, index)
	if err != nil {
		t.Fatal(err)
	}
	var written strings.Builder
	if err := report.NewClaims(index, results).Markdown(&written); err != nil {
		t.Fatal(err)
	}
	if "|claim|"+shown+"\n" != written.String() {
		t.Errorf("the README shows\n|claim|%s\nbut pushpull claims --from results/claims --markdown FILE writes\n%s", shown, written.String())
	}
}

// readmeCommands returns the arguments of each command of pushpull in blocks of sh.
func readmeCommands(readme string) (commands [][]string) {
	shown, before := false, ""
	for line := range strings.Lines(strings.ReplaceAll(readme, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			shown = line == "```sh" && before != "<!-- long -->"
		case shown:
			line, _, _ = strings.Cut(line, " #")
			args, ok := strings.CutPrefix(line, "go run ./cmd/pushpull")
			if !ok {
				args, ok = strings.CutPrefix(line, "pushpull")
			}
			if ok {
				commands = append(commands, strings.Fields(args))
			}
		}
		before = line
	}
	return commands
}

// readmeStep returns the script lines that run a README's command.
func readmeStep(name string, args []string) string {
	line := strings.ReplaceAll(strings.Join(args, " "), "http://127.0.0.1:8080", "$URL")
	line = strings.ReplaceAll(line, "--watch :8081", "--watch :0") // port 8081 may be in use
	switch {
	case slices.Contains(args, "run"):
		_, line, _ = strings.Cut(line, "run")
		if !slices.Contains(args, "--transports") {
			line += " " + fewTransports
		}
		return fmt.Sprintf("measure %s %s\n", line, shorter)
	case slices.Contains(args, "serve"):
		return fmt.Sprintf("start %[1]s pushpull %[2]s --listen :0\naddress %[1]s OTHER\nsignal %[1]s TERM\nended %[1]s 0\n", name, line)
	}
	return fmt.Sprintf("exits 0 pushpull %s\n", line)
}
