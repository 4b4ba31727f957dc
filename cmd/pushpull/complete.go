package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/fault"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/loadgen/selftest"
	"pushpull/loadgen/sweep"
	"pushpull/report/check"
	"pushpull/transports/all"
	"pushpull/transports/store"
	"pushpull/transports/typo"
)

// A shell is one that completes commands, and how its script is written.
type shell struct {
	name, install string // the command that completes commands in a new shell
	script        func(root *cobra.Command) error
}

func shells() []shell {
	return []shell{
		{"bash", `source <(pushpull completion bash)`, bashScript},
		{
			"zsh", `source <(pushpull completion zsh)`,
			func(root *cobra.Command) error { return root.GenZshCompletion(root.OutOrStdout()) },
		},
		{
			"fish", `pushpull completion fish | source`,
			func(root *cobra.Command) error { return root.GenFishCompletion(root.OutOrStdout(), true) },
		},
		{
			"powershell", `pushpull completion powershell | Out-String | Invoke-Expression`,
			func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(root.OutOrStdout()) },
		},
	}
}

// bashScript prints the script of bash, and an addition: what cobra prints would complete the commas of a list
// as "\,".
func bashScript(root *cobra.Command) error {
	err := root.GenBashCompletionV2(root.OutOrStdout(), true)
	_, printing := fmt.Fprint(root.OutOrStdout(), `
__start_pushpull_lists()
{
    __start_pushpull
    COMPREPLY=("${COMPREPLY[@]//\\,/,}")
}
complete -o default -F __start_pushpull_lists pushpull
`)
	return cmp.Or(err, printing)
}

func newCompletionCommand() *cobra.Command {
	var names []string
	var lines strings.Builder
	for _, s := range shells() {
		names = append(names, s.name)
		lines.WriteString("  " + s.name + strings.Repeat(" ", 12-len(s.name)) + s.install + "\n")
	}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Complete commands in bash, zsh, fish or PowerShell",
		Long: `Print the script by which a shell completes commands, flags, scenarios, transports, stores,
metrics and the directories of results when Tab is pressed.

A line in the startup file of the shell switches it on:

` + lines.String() + `
bash needs its package bash-completion. zsh needs "autoload -U compinit; compinit" before that
line. The script asks the pushpull in the PATH.`,
		Example:   `  source <(pushpull completion bash)`,
		Args:      operands,
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.Index(names, args[0])
			if i < 0 {
				return usageError(typo.Unknown("shell", args[0], names))
			}
			return shells()[i].script(cmd.Root())
		},
	}
}

// completions returns what a word may be that begins with the typed part, or more.
type completions func(typed string) []cobra.Completion

// completeFlags lets a shell complete the values of the flags of cmd and of the commands below it.
func completeFlags(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		completeFlags(below)
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		stands := strings.Join(flag.Annotations[placeholder], "")
		if stands == "" {
			return
		}
		_ = cmd.RegisterFlagCompletionFunc(flag.Name, completionOf(flag.Name, stands)) // fails for a flag that has a function already
	})
}

// completionOf returns how the value of a flag is completed: by its name, or by what stands for it in help.
func completionOf(name, stands string) cobra.CompletionFunc {
	switch name {
	case "transports":
		return listed(transportsFor)
	case "metric":
		return listed(func(string) []cobra.Completion { return check.Timings() })
	case "allow-missing":
		return listed(func(string) []cobra.Completion {
			return slices.Concat(all.Names(), check.Allowable())
		})
	case "fault":
		return listed(func(string) (names []cobra.Completion) {
			for _, f := range fault.List() {
				names = append(names, cobra.CompletionWithDesc(f.Name, f.About))
			}
			return names
		})
	case "against":
		return completeAgainst
	case "transport":
		return offered(transportsFor)
	case "agents":
		return offered(func(string) []cobra.Completion { return []cobra.Completion{"auto"} })
	case "http":
		return offered(func(string) []cobra.Completion { return []cobra.Completion{http1, http2, http1 + "," + http2} })
	case "store":
		return offered(storesFor)
	case "network":
		return offered(func(string) []cobra.Completion { return network.Names() })
	case "via":
		return offered(func(string) []cobra.Completion { return proxies() })
	case "price":
		return listed(func(string) (keys []cobra.Completion) {
			for _, name := range tariffs() {
				keys = append(keys, name+"=")
			}
			return keys
		})
	case "from":
		return completeCosts
	case "vary":
		return offered(func(string) (keys []cobra.Completion) {
			for _, key := range sweep.Keys() {
				keys = append(keys, key+"=")
			}
			return keys
		})
	}
	switch stands {
	case "DIR":
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "FILE", "SERVER":
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
	var choices []cobra.Completion
	if strings.Contains(stands, "|") {
		choices = strings.Split(stands, "|")
	}
	return offered(func(string) []cobra.Completion { return choices })
}

// one completes the only argument of a command.
func one(words func(*cobra.Command) []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return begun(words(cmd), typed)
	}
}

// offered completes with the words that begin with the typed one.
func offered(words completions) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return begun(words(typed), typed)
	}
}

// listed completes the last word of a list with commas. Words that the list has already are left out.
func listed(words completions) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		list, last := "", typed
		if i := strings.LastIndex(typed, ","); i >= 0 {
			list, last = typed[:i+1], typed[i+1:]
		}
		var found []cobra.Completion
		given := strings.Split(list, ",")
		for _, word := range given {
			if key, _, ok := strings.Cut(word, "="); ok { // it is offered without a value
				given = append(given, key+"=")
			}
		}
		for _, word := range once(given, words(last)) {
			if list != "" {
				word = plain(word) // bash doesn't find a word with a comma and a description
			}
			found = append(found, list+word)
		}
		found, directive := begun(found, typed)
		return found, directive | cobra.ShellCompDirectiveNoSpace // a comma may follow
	}
}

// begun returns the words that begin with the typed one. No blank follows if one of them goes on, as an
// address like "sqlite:" does.
func begun(words []cobra.Completion, typed string) (found []cobra.Completion, directive cobra.ShellCompDirective) {
	directive = cobra.ShellCompDirectiveNoFileComp
	for _, word := range words {
		if !strings.HasPrefix(word, typed) {
			continue
		}
		found = append(found, word)
		if text := plain(word); strings.ContainsAny(text[max(0, len(text)-1):], ":/=") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return found, directive
}

// plain returns a completion without its description.
func plain(word cobra.Completion) string {
	text, _, _ := strings.Cut(word, "\t")
	return text
}

// once returns the words that are not among the given ones.
func once(given []string, words []cobra.Completion) []cobra.Completion {
	return slices.DeleteFunc(slices.Clone(words), func(word cobra.Completion) bool { return slices.Contains(given, plain(word)) })
}

// commandsOf returns the commands of root.
func commandsOf(root *cobra.Command) (commands []cobra.Completion) {
	for _, cmd := range root.Commands() {
		if !cmd.Hidden {
			commands = append(commands, cobra.CompletionWithDesc(cmd.Name(), cmd.Short))
		}
	}
	return commands
}

// completeCommand completes the words of a command.
func completeCommand(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	named, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return begun(commandsOf(named), typed)
}

// transportsFor returns the transports or, after the @ of one, settings around its default.
func transportsFor(typed string) (specs []cobra.Completion) {
	for _, name := range all.Names() {
		client, err := all.Client(name)
		if err != nil {
			continue
		}
		way := client.Way()
		specs = append(specs, cobra.CompletionWithDesc(name, way.Title))
		setting := cmp.Or(way.Every, way.Scan, way.Hold)
		if setting == 0 || !strings.HasPrefix(typed, name+"@") {
			continue
		}
		for _, d := range []time.Duration{setting / 5, setting / 2, setting, 2 * setting} {
			specs = append(specs, name+"@"+result.SecondsOf(d).String())
		}
	}
	return specs
}

// completeAgainst completes the name of what a server speaks, and then a program that starts it.
func completeAgainst(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if strings.Contains(typed, "=") || cmd.Flags().Lookup("dialect") == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []cobra.Completion
	for _, name := range builtinDialects() {
		word, about, _ := strings.Cut(name, "\t")
		names = append(names, cobra.CompletionWithDesc(word+"=", about))
	}
	return begun(names, typed)
}

// storesFor returns the addresses of stores as far as they are the same for everybody.
func storesFor(string) (addresses []cobra.Completion) {
	for address, about := range store.Addresses() {
		fixed := address[:strings.LastIndexAny(address[:strings.IndexFunc(address+"A", isUpper)], ":/")+1]
		addresses = append(addresses, cobra.CompletionWithDesc(fixed, about))
	}
	return addresses
}

// prunable returns those from which rooms can be removed.
func prunable(*cobra.Command) []cobra.Completion {
	return slices.DeleteFunc(storesFor(""), func(word cobra.Completion) bool { return store.ValidatePrune(plain(word)) != nil })
}

func isUpper(r rune) bool { return 'A' <= r && r <= 'Z' }

// completeScenario completes the one argument of a command with the built-in scenarios and YAML files.
func completeScenario(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, directive := begun(builtins(), typed)
	if len(found) == 0 {
		return []cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	files, _ := filepath.Glob("*.y*ml") // fails for a bad pattern only
	files, _ = begun(files, typed)
	return append(found, files...), directive
}

// builtins returns the built-in scenarios.
func builtins() (names []cobra.Completion) {
	for _, name := range loadgen.Builtins() {
		about := ""
		if s, err := loadgen.Builtin(name); err == nil {
			about = s.About
		}
		names = append(names, cobra.CompletionWithDesc(name, about))
	}
	return names
}

// completeCase completes the cases of the self-test.
func completeCase(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var cases []cobra.Completion
	for _, c := range selftest.Cases() {
		cases = append(cases, cobra.CompletionWithDesc(c.Name, "a server that "+c.About))
	}
	return begun(once(args, cases), typed)
}

// completeResults completes up to most arguments with the directories of results, or with any file if
// there are none.
func completeResults(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := once(args, resultsAt(typed))
		if len(found) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return begun(found, typed)
	}
}

// completeCosts completes with the directories that pushpull choose has written, or with any if there are none.
func completeCosts(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	found := slices.DeleteFunc(directoriesAt(typed, result.IndexFile), func(dir cobra.Completion) bool {
		index, err := result.ReadIndex(dir)
		return err != nil || index.Kind != result.KindChoice
	})
	if len(found) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return begun(found, typed)
}

// resultsAt returns the directories whose path begins with typed and that hold a result.
func resultsAt(typed string) (found []cobra.Completion) { return directoriesAt(typed, result.File) }

// directoriesAt returns the directories whose path begins with typed and that hold a file, themselves or up to
// two levels below, as the sides of a duet are. It reads a limited number of directories, as a person waits.
func directoriesAt(typed, file string) (found []cobra.Completion) {
	left := 1000 // directories that may be read
	var walk func(dir, prefix string, levels int)
	walk = func(dir, prefix string, levels int) {
		if left--; left < 0 {
			return
		}
		entries, err := os.ReadDir(cmp.Or(dir, "."))
		if err != nil {
			return
		}
		for _, entry := range entries {
			path := dir + entry.Name()
			hidden := strings.HasPrefix(entry.Name(), ".") && prefix == ""
			if hidden || !strings.HasPrefix(entry.Name(), prefix) || !entry.IsDir() && entry.Type() != fs.ModeSymlink {
				continue
			}
			if _, err := os.Stat(filepath.Join(path, file)); err == nil {
				found = append(found, path)
			}
			if levels > 0 {
				walk(path+"/", "", levels-1)
			}
		}
	}
	dir, prefix := filepath.Split(typed)
	walk(dir, prefix, 2)
	return found
}
