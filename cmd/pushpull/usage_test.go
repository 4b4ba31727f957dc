package main

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A usage error says what is wrong in one line, with exit code 2, and points to --help once, as complaint
// alone adds that.
func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"frobnicate":                            `unknown command "frobnicate": use agent, capacity, check, choose, claims, completion, dialect, duet, faults, help, report, run, `,
		"rum":                                   `unknown command "rum": did you mean "run"?`,
		"help rum":                              `unknown command "rum": did you mean "run"?`,
		"stor":                                  `unknown command "stor": did you mean "store"?`,
		"--frobnicate":                          `unknown flag "--frobnicate" (see pushpull --help)`,
		"--verzion":                             `unknown flag "--verzion": did you mean "--version"?`,
		"run --frobnicate":                      `unknown flag "--frobnicate" (see pushpull run --help)`,
		"run --usrs 5":                          `unknown flag "--usrs": did you mean "--users"?`,
		"run -target http://127.0.0.1:1":        `unknown flag "-target": did you mean "--target"?`,
		"run -target=http://127.0.0.1:1":        `unknown flag "-target": did you mean "--target"?`,
		"duet -head a":                          `unknown flag "-head": did you mean "--head"?`,
		"-version":                              `unknown flag "-version": did you mean "--version"?`,
		"run -j":                                `unknown flag "-j" (`,
		"run ---users=5":                        `unknown flag "---users": did you mean "--users"?`,
		"run --=5":                              `unknown flag "--" (`,
		"run --users":                           `--users needs a value: write --users N (`,
		"run --target":                          `--target needs a value: write --target URL (`,
		"run --users many":                      `bad --users "many": must be a whole number, like 200 (`,
		"run --json=maybe":                      `bad --json "maybe": write --json alone, or leave it out (`,
		"run --target=":                         `--target is empty: write --target URL, or leave it out (`,
		"run --store=":                          `--store is empty: write --store ADDRESS, or leave it out (`,
		"run --transports=":                     `bad --transports "": must name one or more, or be left out (`,
		"run chat rooms":                        `"rooms" is one argument too many: write pushpull run [SCENARIO] (`,
		"run chta":                              `unknown scenario "chta": did you mean "chat"?`,
		"run nowhere.yaml":                      "nowhere.yaml",
		"run --transports telepathy":            `unknown transport "telepathy": use short-poll, `,
		"run --transports webscket":             `unknown transport "webscket": did you mean "websocket"?`,
		"run --against nchn=http://127.0.0.1:1": `bad --against "nchn=http://127.0.0.1:1": unknown server "nchn": did you mean "nchan"?`,
		"run --against http://127.0.0.1:1":      `bad --against "http://127.0.0.1:1": write it like nchan=http://127.0.0.1:8900 (`,
		"run --against nchan=http://u:pw@h,pid=x":                      `bad --against "nchan=http://xxxxx@h,pid=x": a pid is a whole number, like ,pid=4711, not "x" (`,
		"run --only-against":                                           `--only-against leaves no server to measure: name one with --against NAME=WHERE (`,
		"run --transports nchan/sse":                                   `say where nchan is, as in --against nchan=URL (`,
		"run --against nchan=http://127.0.0.1:1 --transports ncan/sse": `unknown server "ncan": did you mean "nchan"?`,
		"capacity --only-against":                                      "--only-against leaves no server to measure: ",
		"sweep --only-against --vary rate=1,2":                         "--only-against leaves no server to measure: ",
		"choose --against nchan=http://127.0.0.1:1":                    "choose needs the CPU of nchan: name its process, as in --against nchan=http://127.0.0.1:1/,pid=4711 (",
		"duet --base nchn=http://127.0.0.1:1":                          `bad --base "nchn=http://127.0.0.1:1": unknown server "nchn": did you mean "nchan"?`,
		"dialect nchn":                                                 `unknown dialect "nchn": did you mean "nchan"?`,
		"dialect --keys --example":                                     "--keys, --example and NAME exclude each other: leave out all but one (",
		"dialect try nchan":                                            "a trial needs --against: the URL of the server, or a command that starts it (",
		"dialect try nchn --against http://h":                          `unknown dialect "nchn": did you mean "nchan"?`,
		"run --watch here":                                             `bad --watch "here": write it like 127.0.0.1:8080`,
		"run --store mysql:":                                           `unknown store "mysql:": use memory:, `,
		"run --store postgre://me:pw@host/db":                          `did you mean "postgres://USER@HOST/DATABASE"?`,
		"run --tag commit":                                             `bad --tag "commit": write it like commit=1a2b3c`,
		"run --tag =1a2b3c":                                            `bad key "" of a tag: `,
		"run --tag commit/1=x":                                         `bad key "commit/1" of a tag: `,
		"duet --base a --tag commit":                                   `bad --tag "commit"`,
		"run --servers 0":                                              "--servers must be 1 to 100, not 0",
		"run --servers 2":                                              "use sqlite:PATH, ",
		"run --store memory: --servers 2":                              "use sqlite:PATH, ",
		"run --target http://h --store memory:":                        "leave out --store and --servers",
		"run --target localhost:8080":                                  `bad --target "localhost:8080": write it like http://`,
		"run --ca nowhere.pem --target http://127.0.0.1:1":             "bad --ca: ",
		"run --ca a.pem":                                               "--ca is for servers at a URL",
		"run --junit a --markdown a":                                   "can't both be written",
		"serve now":                                                    `"now" is one argument too many: write pushpull serve (`,
		"serve --listen nowhere":                                       `bad --listen "nowhere": write it like 127.0.0.1:8080`,
		"serve --store mysql:":                                         `unknown store "mysql:": use memory:, `,
		"serve --retention 0":                                          "bad --retention: use more than 0",
		"serve --results nowhere":                                      `bad --results "nowhere": name a directory`,
		"report":                                                       "DIR is missing: write pushpull report DIR... (",
		"report --json --csv a":                                        "choose one",
		"check":                                                        "BASE is missing: write pushpull check BASE HEAD (",
		"check results":                                                "HEAD is missing: write pushpull check BASE HEAD (",
		"check a b c":                                                  `"c" is one argument too many: write pushpull check BASE HEAD (`,
		"check a b --metric p42":                                       `unknown metric "p42": use p50, `,
		"check a b --metric server-cup":                                `unknown metric "server-cup": did you mean "server-cpu"?`,
		"check a b --min-effect much":                                  `bad --min-effect "much": write it like 5% or 1.05 (`,
		"duet":                                                         "a duet needs --base: ",
		"duet a b":                                                     `"b" is one argument too many: write pushpull duet --base SERVER [--head SERVER] [SCENARIO] (`,
		"duet --base nowhere":                                          `bad --base "nowhere": `,
		"duet --base a --metric p42":                                   `unknown metric "p42": use p50, `,
		"selftest now":                                                 `unknown case "now": use honest, `,
		"selftest --transports websockets":                             `unknown transport "websockets": did you mean "websocket"?`,
		"scenarios nowhere":                                            `unknown scenario "nowhere": use chat, `,
		"scenarios chat rooms":                                         `"rooms" is one argument too many: write pushpull scenarios [NAME] (`,
		"store":                                                        "COMMAND is missing: write pushpull store COMMAND (",
		"store memory:":                                                `unknown command "memory:": use prune (`,
		"store prun":                                                   `unknown command "prun": did you mean "prune"?`,
		"store embed memory:":                                          "is not a store within this binary",
		"store prune":                                                  "ADDRESS is missing: write pushpull store prune ADDRESS (",
		"store prune sqlite:chat.db":                                   "write --older TIME, like --older 720h",
		"store prune memory:":                                          "see pushpull serve --room-idle",
		"store prune nats:":                                            "they end with their server",
		"store prune nats://h":                                         "remove the old one with nats stream rm",
		"store prune mysql:":                                           `unknown store "mysql:": use memory:, `,
		"store prune sqlite:a --older 0s":                              "bad --older: use more than 0",
		"choose chta":                                                  `unknown scenario "chta": did you mean "chat"?`,
		"choose --quick --thorough":                                    "--quick and --thorough exclude each other: leave one out (",
		"choose --users 1":                                             "--users must be 2 to 1000000000, not 1 (",
		"choose --users 10 --room 11":                                  "--room must be 2 to the number of users, which is 10, not 11 (",
		"choose --every 0s":                                            "--every must be a time from 100us to 720h, not 0s: each sender sends one message in that time (",
		"choose --within 0s":                                           "--within must be a time from 10us to 24h, not 0s (",
		"choose --size 10":                                             "size must be 64 to 65536 bytes, not 10: ",
		"choose --load 0":                                              "--load must be a share from 1% to 99%, not 0%: the rest is for peaks (",
		"choose --load 5":                                              "--load must be a share from 1% to 99%, not 500%: ",
		"choose --load half":                                           `bad --load "half": must be a share, like 60% or 0.6`,
		"choose --server-cores 0":                                      "--server-cores must be 1 to 10000, not 0 (",
		"choose --most 3":                                              "--most must be 8 or more, not 3: ",
		"choose --transports short-poll,short-poll@5s":                 "--transports has short-poll twice: name it once (",
		"choose --transports websockt":                                 `did you mean "websocket"?`,
		"choose --store mysql:":                                        `bad --store: unknown store "mysql:": `,
		"choose --from a --quick":                                      "--from measures nothing: leave out ",
		"choose --from a --note x":                                     "--from measures nothing: leave out ",
		"choose --price cpu-huor=1":                                    `bad --price "cpu-huor=1": unknown price "cpu-huor": did you mean "cpu-hour"?`,
		"choose --price cpu-hour":                                      `write "cpu-hour" like cpu-hour=0.04 (`,
		"choose --price cpu-hour=-1":                                   `the price of cpu-hour must be a number from 0 on, like 0.04, not "-1" (`,
		"choose --price cpu-hour=1,cpu-hour=2":                         "cpu-hour has two prices: give one (",
		"choose --price cpu-hour=0":                                    "--price has nothing that costs anything: give one that is more than 0 (",
		"completion":                                                   "SHELL is missing: write pushpull completion SHELL (",
		"completion bsh":                                               `unknown shell "bsh": did you mean "bash"?`,
		"help run serve":                                               `"serve" is one argument too many: write pushpull help run (`,
		"help store embd":                                              `unknown command "embd": use prune (`,
	} {
		if text := wrongUsage(t, strings.Fields(line)); !strings.Contains(text, want) {
			t.Errorf("pushpull %s: %s\nwant %s", line, text, want)
		}
	}
}

// jargon matches words of Go and its libraries, which mean nothing to people.
var jargon = regexp.MustCompile(`strconv|arg\(s\)|flag\(s\)|pflag|parsing|invalid argument|invalid syntax|parse error|needs an argument|shorthand|\b(u?int(64)?|float(64)?|bool(ean)?|string(Array|Slice)?|unmarshal)\b`)

// wrongUsage runs a command that must be wrong usage, and returns the text of its error.
func wrongUsage(t *testing.T, line []string) string {
	t.Helper()
	root := newRootCommand()
	root.SetArgs(line)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.SetIn(strings.NewReader(""))
	cmd, err := root.ExecuteContextC(t.Context())
	if err == nil {
		t.Errorf("pushpull %q is accepted", line)
		return ""
	}
	text, pointer := complaint(cmd, err, line), "(see "+cmd.CommandPath()+" --help)"
	if code := exitCode(err); code != exitUsage {
		t.Errorf("pushpull %q: exit code %d: %s", line, code, text)
	}
	if strings.Count(text, pointer) != 1 || !strings.HasSuffix(text, " "+pointer) {
		t.Errorf("pushpull %q doesn't point to %s once, at its end: %s", line, pointer, text)
	}
	if found := jargon.FindString(text); found != "" || strings.Contains(text, "\n") {
		t.Errorf("pushpull %q says %q, or more than a line: %s", line, found, text)
	}
	return text
}

// eachFlag calls f with each flag of each command, and with arguments of the command that are right in number
// but name nothing, so that it would not run.
func eachFlag(t *testing.T, f func(cmd *cobra.Command, args []string, flag *pflag.Flag)) {
	t.Helper()
	args := map[string][]string{
		"run": {"nowhere.yaml"}, "sweep": {"nowhere.yaml"}, "choose": {"nowhere.yaml"}, "capacity": {"nowhere.yaml"}, "faults": {"nowhere.yaml"}, "claims": {"nowhere"}, "relay": {"nowhere"}, "report": {"nowhere", "nowhere"}, "check": {"nowhere", "nowhere"}, "duet": {"nowhere.yaml"},
		"scenarios": {"nowhere"}, "dialect": {"nowhere"}, "dialect try": {"nowhere"}, "serve": {"--listen", "nowhere"}, "agent": {"--nats", "nowhere"}, "selftest": {"nowhere"}, "store": {"nowhere"},
		"store prune": {"memory:"}, "store embed": {"memory:"}, "completion": {"nowhere"}, "help": {"nowhere"},
		"proxy": {"nowhere", "nowhere"},
	}
	for _, cmd := range below(newRootCommand()) {
		name := strings.Join(wordsOf(cmd), " ")
		if args[name] == nil {
			t.Errorf("which arguments of pushpull %s name nothing?", name)
			continue
		}
		cmd.InitDefaultHelpFlag()
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { f(cmd, args[name], flag) })
	}
}

// below returns the commands below one, and those below them.
func below(cmd *cobra.Command) (all []*cobra.Command) {
	for _, cmd := range cmd.Commands() {
		all = append(append(all, cmd), below(cmd)...)
	}
	return all
}

// wordsOf returns the words of a command, without pushpull.
func wordsOf(cmd *cobra.Command) []string { return strings.Fields(cmd.CommandPath())[1:] }

// TestBadFlags gives every flag of every command no value, an empty one and bad ones, and mistypes it.
func TestBadFlags(t *testing.T) {
	texts := []string{"string", "stringArray", "list"} // almost any value may be right
	eachFlag(t, func(cmd *cobra.Command, args []string, flag *pflag.Flag) {
		run := func(words ...string) string {
			return wrongUsage(t, slices.Concat(wordsOf(cmd), args, words))
		}
		name := "--" + flag.Name
		if flag.NoOptDefVal == "" {
			if text := run(name); !strings.HasPrefix(text, name+" needs a value: write "+name+" ") {
				t.Errorf("%s %s without a value: %s", cmd.Name(), name, text)
			}
		}
		for _, value := range []string{"", " ", "many", "-", "0b1", "1.5.5", "a\nb", "1e", ",", "%", "\xff"} {
			if value != "" && slices.Contains(texts, flag.Value.Type()) {
				continue
			}
			if text := run(name + "=" + value); !strings.Contains(text, name+" ") {
				t.Errorf("%s %s=%q: %s", cmd.Name(), name, value, text)
			}
		}
		if flag.Hidden {
			return
		}
		for _, wrong := range []string{"-" + flag.Name, "--x" + flag.Name, name + "s"} {
			if text := run(wrong); len(flag.Name) > 2 && !strings.Contains(text, "did you mean") {
				t.Errorf("%s %s: %s", cmd.Name(), wrong, text)
			}
		}
	})
}
