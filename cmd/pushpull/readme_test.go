package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// shorter makes a documented run quick: what is tested is that it is understood, and works.
// A scenario's own transports would be drained for as long as they poll.
const (
	shorter       = "--users 20 --rate 10 --warmup 0s --duration 200ms --rounds 1 --quiet"
	fewTransports = "--transports long-poll,websocket"
)

// What the README's commands take for granted: results, a scenario of one's own, a server. The
// results are recorded ones: what was measured here and now may be not to be believed.
const readmeSetting = `
mkdir results/a results/b
cp $RECORDED/base/result.jsonl results/a/result.jsonl
cp $RECORDED/head/result.jsonl results/b/result.jsonl
start other pushpull serve --listen :0
address other URL
exits 0 pushpull scenarios chat
cp stdout mine.yaml
`

// TestReadme runs the commands of pushpull that the README shows in blocks of sh. A block behind
// the line <!-- long --> is left out.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := readmeCommands(string(readme))
	if len(commands) == 0 {
		t.Fatal("the README shows no command of pushpull")
	}
	recorded, err := filepath.Abs("../../testdata/results/duet")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("unraced\nenv 'RECORDED=%s'\n%s", recorded, readmeSetting)
	for i, args := range commands {
		script += readmeStep(fmt.Sprint("readme", i), args)
	}
	file := filepath.Join(t.TempDir(), "readme.txtar")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	runScripts(t, testscript.Params{Files: []string{file}})
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

// readmeStep returns the lines of a script that run a command.
func readmeStep(name string, args []string) string {
	line := strings.ReplaceAll(strings.Join(args, " "), "http://127.0.0.1:8080", "$URL")
	line = strings.ReplaceAll(line, "--watch :8081", "--watch :0") // which may be taken
	switch {
	case slices.Contains(args, "run"):
		_, line, _ = strings.Cut(line, "run")
		if !slices.Contains(args, "--transports") {
			line += " " + fewTransports
		}
		return fmt.Sprintf("measure %s %s\n", line, shorter)
	case slices.Contains(args, "serve"):
		return fmt.Sprintf("start %[1]s pushpull %[2]s --listen :0\naddress %[1]s OTHER\nsignal %[1]s TERM\nended %[1]s 0 10s\n", name, line)
	}
	return fmt.Sprintf("exits 0 pushpull %s\n", line)
}
