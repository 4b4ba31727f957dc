package main

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// TestCompletionOf has flags whose values are completed by what stands for them in help. The script
// complete.txtar has the others.
func TestCompletionOf(t *testing.T) {
	for _, c := range []struct {
		stands, typed string
		want          []cobra.Completion
		directive     cobra.ShellCompDirective
	}{
		{"auto|always|never", "", []cobra.Completion{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp},
		{"auto|always|never", "a", []cobra.Completion{"auto", "always"}, cobra.ShellCompDirectiveNoFileComp},
		{"auto|always|never", "x", nil, cobra.ShellCompDirectiveNoFileComp},
		{"N", "", nil, cobra.ShellCompDirectiveNoFileComp},
		{"FILE", "", nil, cobra.ShellCompDirectiveDefault},
		{"DIR", "", nil, cobra.ShellCompDirectiveFilterDirs},
	} {
		complete := completionOf("any", c.stands)
		for range 2 { // a function may be called again
			if got, directive := complete(nil, nil, c.typed); !slices.Equal(got, c.want) || directive != c.directive {
				t.Errorf("%s of %s: %q, %d, want %q, %d", c.typed, c.stands, got, directive, c.want, c.directive)
			}
		}
	}
}
