package all_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/longpoll"
	"pushpull/transports/longpollscan"
	"pushpull/transports/shortpoll"
	"pushpull/transports/sse"
	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every transport on the list passes the suite, with its default setting and with another one.
func TestTransports(t *testing.T) {
	for _, name := range all.Names() {
		specs := []string{name}
		if _, err := all.Client(name + "@1s"); err == nil {
			specs = append(specs, name+"@1s")
		}
		for _, spec := range specs {
			t.Run(spec, func(t *testing.T) {
				client, err := all.Client(spec)
				if err != nil {
					t.Fatal(err)
				}
				transporttest.Run(t, client.(transports.Transport))
			})
		}
	}
}

// A folder is one beside all that holds transports: a package in which something has a Way and which
// has a constant Name, or several that begin so, one for each.
type folder struct {
	path    string
	names   []string // of the transports
	imports []string
}

// folders returns the folders that hold a transport, whatever the list says.
func folders(t *testing.T) []folder {
	t.Helper()
	paths, err := filepath.Glob("../*")
	if err != nil {
		t.Fatal(err)
	}
	var found []folder
	for _, path := range paths {
		files, err := filepath.Glob(filepath.Join(path, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		f, transport := folder{path: path}, false
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				f.imports = append(f.imports, literal(spec.Path))
			}
			for _, decl := range file.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					transport = transport || decl.Recv != nil && decl.Name.Name == "Way"
				case *ast.GenDecl:
					for _, spec := range decl.Specs {
						if value, ok := spec.(*ast.ValueSpec); ok && strings.HasPrefix(value.Names[0].Name, "Name") && len(value.Values) == 1 {
							f.names = append(f.names, literal(value.Values[0]))
						}
					}
				}
			}
		}
		if transport {
			found = append(found, f)
		}
	}
	return found
}

// literal returns the string that e spells; "" if it is no literal.
func literal(e ast.Expr) string {
	basic, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	s, _ := strconv.Unquote(basic.Value)
	return s
}

// Every folder that holds a transport is on the list, and the list has nothing else.
func TestNames(t *testing.T) {
	names := all.Names()
	var held []string
	for _, f := range folders(t) {
		for _, name := range f.names {
			if !slices.Contains(names, name) {
				t.Errorf("%s holds the transport %q, which is not on the list %q", f.path, name, names)
			}
		}
		held = append(held, f.names...)
	}
	for _, name := range names {
		if !slices.Contains(held, name) {
			t.Errorf("no folder holds the transport %s: it needs a constant whose name begins with Name, and a method Way", name)
		}
	}
}

// No transport imports another one, nor anything else but the contract. The carriers of dialects are no transports: they
// stand on the event streams and WebSockets of those.
func TestTransportsStandAlone(t *testing.T) {
	for _, f := range folders(t) {
		if f.path == "../dialect" {
			continue
		}
		for _, imported := range f.imports {
			if strings.HasPrefix(imported, "pushpull/") && imported != "pushpull/transports" {
				t.Errorf("%s imports %s", f.path, imported)
			}
		}
	}
}

func TestEndpoints(t *testing.T) {
	limits := transports.Limits{MessageBytes: 7}
	endpoints := all.Endpoints(limits)
	for _, name := range all.Names() {
		endpoint, ok := endpoints[name]
		if !ok {
			t.Errorf("%s has no endpoint", name)
			continue
		}
		client, err := all.Client(name)
		if err != nil {
			t.Fatal(err)
		}
		if endpoint.Way() != client.Way() {
			t.Errorf("the two sides of %s are %+v and %+v", name, endpoint.Way(), client.Way())
		}
	}
	if got := endpoints[longpoll.Name].(longpoll.Transport).Limits.MessageBytes; got != 7 {
		t.Errorf("the limit of a message is %d, want 7", got)
	}
}

func TestClient(t *testing.T) {
	for spec, want := range map[string]transports.Client{
		"short-poll":          shortpoll.Transport{Interval: shortpoll.DefaultInterval},
		"short-poll@5s":       shortpoll.Transport{Interval: 5 * time.Second},
		"short-poll@1ms":      shortpoll.Transport{Interval: time.Millisecond},
		"short-poll@1h":       shortpoll.Transport{Interval: time.Hour},
		"long-poll":           longpoll.Transport{Hold: longpoll.DefaultHold},
		"long-poll@1m30s":     longpoll.Transport{Hold: 90 * time.Second},
		"long-poll-scan":      longpollscan.Transport{Scan: longpollscan.DefaultScan},
		"long-poll-scan@10ms": longpollscan.Transport{Scan: 10 * time.Millisecond},
		"sse":                 sse.Transport{},
		"websocket":           websocket.Transport{},
	} {
		got, err := all.Client(spec)
		if err != nil {
			t.Errorf("Client(%q): %v", spec, err)
			continue
		}
		if got.Way() != want.Way() {
			t.Errorf("Client(%q) is %+v, want %+v", spec, got.Way(), want.Way())
		}
	}
}

func TestClientRefuses(t *testing.T) {
	known := "use " + strings.Join(all.Names(), ", ")
	for spec, says := range map[string]string{
		"":                       known,
		"polling":                known,
		"Short-Poll":             `did you mean "short-poll"?`,
		" websocket":             `did you mean "websocket"?`,
		"webscket":               `unknown transport "webscket": did you mean "websocket"?`,
		"@5s":                    known,
		"short-poll@":            "put a setting after the @",
		"short-poll@5":           "the poll interval must be",
		"short-poll@0s":          "from 1ms to 1h",
		"short-poll@-5s":         "from 1ms to 1h",
		"short-poll@999us":       "from 1ms to 1h",
		"short-poll@5s@5s":       "like short-poll@5s",
		"long-poll@2h":           "the hold time must be",
		"long-poll@99999999999h": "the hold time must be",
		"long-poll-scan@0s":      "the scan interval must be",
		"long-poll-scan@1":       "like long-poll-scan@50ms",
		"sse@5s":                 "sse takes no interval",
		"websocket@5s":           "websocket takes no interval",
		"websocket@":             "put a setting after the @",
	} {
		got, err := all.Client(spec)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Client(%q) = %v, %v, want an error with %q", spec, got, err, says)
		}
	}
}

func FuzzClient(f *testing.F) {
	for _, spec := range []string{"short-poll", "short-poll@5s", "long-poll@30s", "websocket", "websocket@5s", "@", ""} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		client, err := all.Client(spec)
		if (client == nil) == (err == nil) {
			t.Fatalf("Client(%q) = %v, %v", spec, client, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("Client(%q): the error has several lines: %v", spec, err)
		}
		if err != nil {
			return
		}
		if err := client.Way().Validate(); err != nil {
			t.Errorf("Client(%q): %v", spec, err)
		}
	})
}
