package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen/agent"
	"pushpull/transports"
)

// commandLine returns a command line that repeats the run, apart from the secrets of addresses.
func commandLine(cmd *cobra.Command, args []string) string {
	words := []string{"pushpull", cmd.Name()}
	words = append(words, args...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch value := f.Value.String(); f.Name {
		case "store":
			stores, err := cmd.Flags().GetStringArray(f.Name)
			if err != nil { // of a command that takes one store
				stores = []string{value}
			}
			for _, address := range stores {
				words = append(words, "--store="+transports.Redacted(address))
			}
		case "note":
			words = append(words, "--note="+value)
		case "tag", "vary", "via":
			texts, _ := cmd.Flags().GetStringArray(f.Name)
			for _, text := range texts {
				words = append(words, "--"+f.Name+"="+text)
			}
		case "network":
			for _, text := range f.Value.(*networksValue).texts() {
				words = append(words, "--network="+text)
			}
		case "dialect":
			files, _ := cmd.Flags().GetStringArray(f.Name)
			for _, file := range files {
				words = append(words, "--dialect="+file)
			}
		case "against":
			named, err := cmd.Flags().GetStringArray(f.Name)
			if err != nil { // of a command that takes one place
				named = []string{value}
			}
			for _, one := range named {
				words = append(words, "--against="+shownPlace(one))
			}
		case "server-at":
			var all []string
			for address := range strings.SplitSeq(value, ",") {
				all = append(all, shown(address))
			}
			words = append(words, "--server-at="+strings.Join(all, ","))
		case "nats":
			words = append(words, "--nats="+agent.Place{URL: value}.Shown())
		case "target":
			words = append(words, "--"+f.Name+"="+shown(value))
		case "base", "head":
			words = append(words, "--"+f.Name+"="+shownPlace(value))
		default:
			value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
			words = append(words, "--"+f.Name+"="+value)
		}
	})
	for i, word := range words {
		if strings.ContainsAny(word, " \t\n'\"$`\\*?[]{}()<>|&;#~!") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
