package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen/result"
)

// remarks are the flags for what people say about a run.
type remarks struct {
	note string
	tags []string // KEY=VALUE
}

func (r *remarks) addFlags(f *pflag.FlagSet) {
	f.StringVar(&r.note, "note", "", "`TEXT` words about the run, kept with the result and shown")
	f.StringArrayVar(&r.tags, "tag", nil, "`KEY=VALUE` a label of the run, kept and shown likewise, like commit=$GITHUB_SHA; may be repeated")
}

// parse returns the note and the tags. Of several tags with one key the last one counts.
func (r *remarks) parse() (note string, tags map[string]string, err error) {
	for _, tag := range r.tags {
		key, value, ok := strings.Cut(tag, "=")
		if !ok {
			return "", nil, fmt.Errorf("bad --tag %.60q: write it like commit=1a2b3c", tag)
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = value
	}
	return r.note, tags, result.CheckRemarks(r.note, tags)
}
