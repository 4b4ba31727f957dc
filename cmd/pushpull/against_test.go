package main

import (
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen"
	"pushpull/transports"
	"pushpull/transports/dialect"
)

// offering is a dialect that offers those transports, and does nothing.
type offering struct {
	dialect.Dialect
	name string
	on   []string
}

func (o offering) About() dialect.About {
	return dialect.About{Name: o.name, Title: strings.ToUpper(o.name)}
}

func (o offering) Ways() (ways []dialect.Way) {
	for _, name := range o.on {
		ways = append(ways, dialect.Way{Transport: name, Way: transports.Way{Title: name, Stream: true}})
	}
	return ways
}

func TestExpand(t *testing.T) {
	one := loadgen.Side{Name: "one", Dialect: offering{name: "one", on: []string{"sse", "websocket"}}}
	two := loadgen.Side{Name: "two", Dialect: offering{name: "two", on: []string{"lines"}}}
	for _, c := range []struct {
		about  string
		sides  []loadgen.Side
		only   bool
		specs  string
		wanted bool
		want   string
	}{
		{"no other server", nil, false, "sse,sse", true, "sse,sse"},
		{"what is asked for, lacking or not", []loadgen.Side{one, two}, false, "long-poll,sse", true, "long-poll,sse,one/long-poll,one/sse,two/long-poll,two/sse"},
		{"of the scenario what there is, or else all", []loadgen.Side{one, two}, false, "long-poll,sse", false, "long-poll,sse,one/sse,two/lines"},
		{"one of a server alone", []loadgen.Side{one, two}, false, "sse,one/websocket", true, "sse,one/websocket,one/sse,two/sse"},
		{"in a scenario, too", []loadgen.Side{one, two}, false, "long-poll,one/websocket", false, "long-poll,one/websocket,two/lines"},
		{"without pushpull's own", []loadgen.Side{one}, true, "long-poll,sse", true, "one/long-poll,one/sse"},
		{"a setting that it lacks, in a scenario", []loadgen.Side{one}, false, "sse@1s", false, "sse@1s,one/sse"},
		{"a setting that it lacks, asked for", []loadgen.Side{one}, false, "sse@1s", true, "sse@1s,one/sse@1s"},
		{"named twice", []loadgen.Side{one}, false, "sse,one/sse", true, "sse,one/sse"},
	} {
		f := &foreigns{sides: c.sides, only: c.only}
		if got := f.expand(strings.Split(c.specs, ","), c.wanted); strings.Join(got, ",") != c.want {
			t.Errorf("%s: %s is %q, want %s", c.about, c.specs, got, c.want)
		}
	}
	if got := (*foreigns)(nil).expand([]string{"sse"}, true); !slices.Equal(got, []string{"sse"}) {
		t.Errorf("without servers sse is %q", got)
	}
}

func TestLocate(t *testing.T) {
	for where, want := range map[string]struct {
		target, pid, command, wrong string
	}{
		"http://127.0.0.1:8900":               {target: "http://127.0.0.1:8900/"},
		"http://127.0.0.1:8900,pid=4711":      {target: "http://127.0.0.1:8900/", pid: "4711"},
		"http://h.invalid/a,b?c=d,e,pid=4711": {target: "http://h.invalid/a,b?c=d,e", pid: "4711"},
		"http://127.0.0.1:8900,pid=":          {wrong: "a pid is a whole number"},
		"http://127.0.0.1:8900,pid=-1":        {wrong: "a pid is a whole number"},
		"http://192.0.2.1,pid=1":              {wrong: "the server is on another: leave out ,pid=1"},
		"sh,pid=1":                            {wrong: "a pid is that of a running server"},
		"sh -c true":                          {command: "sh|-c|true"},
		"":                                    {wrong: "write a URL like http://127.0.0.1:8900, or a command like ./start.sh"},
		" ":                                   {wrong: "write a URL like"},
		"localhost:8900":                      {wrong: "an address begins with http:// or https://"},
		"localhost:8900/path":                 {wrong: "an address begins with http:// or https://"},
		"me:s3cr3t@host":                      {wrong: "name a program, or a URL like"},
		"/no/such/program":                    {wrong: "no such file or directory: name a program"},
		"against_test.go":                     {wrong: "it is no command: write ./against_test.go for the file"},
		"./against_test.go":                   {wrong: "it can't be executed: use chmod +x ./against_test.go"},
		"./testdata":                          {wrong: "it is a directory: name a program"},
		"http://me:s3cr3t@127.0.0.1:x/,pid=1": {wrong: "write it like http://127.0.0.1:8080"},
	} {
		var side loadgen.Side
		err := locate(&side, where)
		if (err != nil) != (want.wrong != "") || err != nil && !strings.Contains(err.Error(), want.wrong) {
			t.Errorf("%q: %v, want %s", where, err, want.wrong)
			continue
		}
		if err != nil {
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%q: the error holds a secret: %v", where, err)
			}
			continue
		}
		target := ""
		if side.Target != nil {
			target = side.Target.String()
		}
		if pid := strings.TrimPrefix(want.pid, "0"); target != want.target || strings.Join(side.Command, "|") != want.command || pid != "" && side.PID != 4711 {
			t.Errorf("%q is at %q, pid %d, or started by %q", where, target, side.PID, side.Command)
		}
	}
}

// What names a foreign server is neither the path of a program nor an address, as --base takes them too.
func TestIsPlace(t *testing.T) {
	for named, want := range map[string]bool{
		"nchan=http://127.0.0.1:8900": true, "mine=./start.sh": true, "mine=": true,
		"http://h/?a=b": false, "./a=b": false, "pushpull": false, "https://me:pw=@h": false,
	} {
		if isPlace(named) != want {
			t.Errorf("%s names a foreign server: %v", named, !want)
		}
	}
}

func TestShownPlace(t *testing.T) {
	for named, want := range map[string]string{
		"nchan=http://me:s3cr3t@h/?token=s3cr3t,pid=7": "nchan=http://xxxxx@h/?token=xxxxx,pid=7",
		"nchan=http://h,pid=7":                         "nchan=http://h,pid=7",
		"nchan=sh":                                     "nchan=sh",
		"http://me:s3cr3t@h":                           "http://xxxxx@h",
		"me:s3cr3t@h=x":                                "xxxxx@h=x",
	} {
		if got := shownPlace(named); strings.Contains(got, "s3cr3t") || !strings.Contains(named, "@h=") && got != want {
			t.Errorf("%s is shown as %s, want %s", named, got, want)
		}
	}
}
