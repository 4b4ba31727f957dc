package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestValues reads numbers, times and lists with every flag of every command. It fails for a flag that
// is read by pflag itself and is none of the types in which nothing can be misread.
func TestValues(t *testing.T) {
	unread := []string{"bool", "string", "stringArray"}
	cases := map[string]map[string]string{ // by type; an empty value is an error
		"int": {
			"10": "10", "010": "10", "0100": "100", "08": "8", "0x1F": "31", "0o17": "15", "+5": "5", "-5": "-5",
			"0b1": "", "1_000": "", "1e3": "", "5.0": "", " 5": "", "5 ": "", "1:30": "", "many": "", "": "", "64k": "", "99999999999999999999": "",
		},
		"uint":     {"010": "10", "18446744073709551615": "18446744073709551615", "-1": "", "0b1": "", "1_000": "", "1e3": ""},
		"float":    {"010": "10", ".5": "0.5", "1e-3": "0.001", "0x1p-2": "", "1_0": "", "NaN": "", "0,5": ""},
		"duration": {"010s": "10s", "500ms": "500ms", "0": "0s", "1:30": "", "5": "", "5 s": "", "1_0s": ""},
		"list":     {"a,b": "a,b", "a, b": "a,b", " a ,b": "a,b", "": "", "a,,b": "", "a,": ""},
		"choice":   {"auto": "auto", "always": "always", "never": "never", "mauve": "", "": "", "Auto": ""},
		"share":    {"60%": "60%", "0.6": "60%", "05%": "5%", "0x1p1": "", "1_0%": "", "0,5": "", "": "", "NaN%": ""},
		"prices": {
			"cpu-hour=0.04": "cpu-hour=0.04", "gb-out=1, cpu-hour=2": "cpu-hour=2,gb-out=1", "cpu-hour": "", "cpu-hour=-1": "",
			"cpu-hour=0x1p1": "", "cpuhour=1": "", "cpu-hour=1,cpu-hour=2": "", "": "",
		},
		"network": {
			"4g": "4g", "none": "none", "{rtt: 80ms,loss: 01%}": "{rtt: 80ms, loss: 1%}",
			"5g": "", "": "", "{rtt: 80}": "", "{loss: 0x1p1%}": "", "{up: 1_0Mbit/s}": "",
		},
		"agents":   {"6": "6", "06": "6", "auto": "auto", "0": "", "1001": "", "many": "", "": "", "1_0": ""},
		"spread":   {"rooms": "rooms", "members": "members", "users": "", "": ""},
		"versions": {"1.1": "1.1", "2": "2", "2, 1.1": "2,1.1", "3": "", "02": "", "2,2": "", "2,": "", "": ""},
		"version":  {"1.1": "1.1", "2": "2", "1.1,2": "", "3": "", "2,": "", "": ""},
		"growth":   {"5%": "1.05", "05%": "1.05", "1.05": "1.05", "0x1p1": "", "1_0%": "", "1,05": ""},
	}
	tried := map[string]bool{}
	var walk func(make func() *cobra.Command)
	walk = func(make func() *cobra.Command) {
		make().Flags().VisitAll(func(f *pflag.Flag) {
			kind := f.Value.Type()
			if slices.Contains(unread, kind) {
				return
			}
			if strings.Contains(reflect.TypeOf(f.Value).String(), "pflag.") || cases[kind] == nil {
				t.Errorf("%s --%s is a %T: add it with the functions of values.go, and cases here", make().Name(), f.Name, f.Value)
				return
			}
			tried[kind] = true
			for text, want := range cases[kind] {
				flags := make().Flags()
				err := flags.Set(f.Name, text)
				got := flags.Lookup(f.Name).Value.String()
				if (err != nil) != (want == "") || err == nil && !same(kind, got, want) {
					t.Errorf("%s --%s=%q is %q, %v, want %q", make().Name(), f.Name, text, got, err, want)
				}
				if err != nil && (strings.Contains(err.Error(), "strconv") || strings.Contains(err.Error(), "parse error")) {
					t.Errorf("%s --%s=%q: %v", make().Name(), f.Name, text, err)
				}
			}
		})
		for i := range make().Commands() {
			walk(func() *cobra.Command { return make().Commands()[i] })
		}
	}
	walk(newRootCommand)
	for kind := range cases {
		if !tried[kind] {
			t.Errorf("no flag is a %s", kind)
		}
	}
}

// same compares the values of flags; times may be written in several ways.
func same(kind, a, b string) bool {
	if kind != "duration" {
		return a == b
	}
	x, errX := time.ParseDuration(a)
	y, errY := time.ParseDuration(b)
	return errX == nil && errY == nil && x == y
}

// TestRepeatedList checks that lists of a repeated flag are joined, and that its default isn't.
func TestRepeatedList(t *testing.T) {
	var list []string
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	listVar(flags, &list, "metric", "")
	if err := flags.Parse([]string{"--metric", "a, b", "--metric=c"}); err != nil || fmt.Sprintf("%q", list) != `["a" "b" "c"]` {
		t.Errorf("%q, %v", list, err)
	}
}
