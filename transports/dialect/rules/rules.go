// Package rules reads dialects from files: YAML with templates for what users ask and say, and rules for what comes.
//
//	hear:
//	  - on: answer
//	    status: 200
//	    message: "{text}"
//
// A file is compiled when it is parsed, so that a message costs a microsecond at most. It can only say what
// a server spells: it has no loops and no arithmetic, and whatever a server sends, a rule takes time and memory in
// proportion to it. Example is a file with all there is to know, and Keys lists every key.
//
// The package opens no connections, and knows no server.
package rules

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/strictyaml"
)

// Bounds of a dialect file, and of what its rules do.
const (
	MaxSource  = 64 << 10 // size of a file, in bytes
	MaxRules   = 64       // rules of a way
	MaxNesting = 4        // how often a part of a unit may be divided again
	MaxParts   = 10_000   // parts of a unit
	MaxReplies = 16       // replies to a unit
	MaxPattern = 1 << 10  // size of a regular expression, in bytes
	MaxVars    = 32       // variables of a way, and likewise its templates with names
	MaxVar     = 4 << 10  // size of the text of a variable, in bytes
	maxHoles   = 16       // holes of a rule
)

// maxMessage is the size of the largest message, in bytes.
var maxMessage = transports.Limits{}.WithDefaults().MessageBytes

// A Dialect is one that a file describes. It is safe for concurrent use.
type Dialect struct {
	about dialect.About
	ways  []*way
	pool  sync.Pool // of *[]byte, for texts that are needed while another one is made
}

var _ dialect.Dialect = (*Dialect)(nil)

// About implements dialect.Dialect.
func (d *Dialect) About() dialect.About { return d.about }

// Ways implements dialect.Dialect.
func (d *Dialect) Ways() []dialect.Way {
	var ways []dialect.Way
	for _, w := range d.ways {
		ways = append(ways, w.Way)
	}
	return ways
}

// Speak implements dialect.Dialect. The error may also say that a variable is missing in the environment. The Speech
// has a method Took() string, which names the rules that took what it heard last.
func (d *Dialect) Speak(of dialect.Way, room string, from transports.Cursor) (dialect.Speech, error) {
	i := slices.IndexFunc(d.ways, func(w *way) bool { return w.Transport == of.Transport })
	if i < 0 {
		return nil, fmt.Errorf("%s has no way %q", d.about.Name, of.Transport)
	}
	w := d.ways[i]
	if w.missing != "" {
		return nil, fmt.Errorf("%s needs %s in the environment: set it", w.name, w.missing)
	}
	s := &speech{dialect: d, way: w, room: []byte(room), vars: make([][]byte, len(w.vars)), holes: make([][]byte, w.holes)}
	if w.random {
		s.random = strconv.AppendUint(nil, rand.Uint64()|1<<63, 36) // so all have 13 characters
	}
	for i := range w.vars {
		s.vars[i] = slices.Clone(s.text(&w.vars[i].first, &turn{}, &s.arena))
	}
	s.arena = nil
	if err := s.resume(from); err != nil {
		return nil, err
	}
	return s, nil
}

// lend returns memory for texts that are needed for a moment.
func (d *Dialect) lend() *[]byte {
	if lent, ok := d.pool.Get().(*[]byte); ok {
		*lent = (*lent)[:0]
		return lent
	}
	lent := make([]byte, 0, 512)
	return &lent
}

// giveBack ends lend.
func (d *Dialect) giveBack(lent *[]byte) {
	if cap(*lent) <= largeArena {
		d.pool.Put(lent)
	}
}

// Load reads the dialect in the file at path. Its errors are those of Parse, or of reading the file.
func Load(path string) (*Dialect, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, MaxSource+1))
	if err != nil {
		return nil, err
	}
	return Parse(filepath.ToSlash(path), data)
}

// Parse reads a dialect. data is YAML in UTF-8. Its errors begin with file:line:column and say what to do. It reads
// the variables of the environment that the file names.
func Parse(file string, data []byte) (*Dialect, error) {
	d, err := parse(data)
	if err == nil {
		return d, nil
	}
	if m, ok := errors.AsType[*strictyaml.Mistake](err); ok {
		return nil, fmt.Errorf("%s:%w", file, m)
	}
	return nil, fmt.Errorf("%s:1:1: %w", file, err)
}

// parse returns a *strictyaml.Mistake for every error.
func parse(data []byte) (*Dialect, error) {
	if len(data) > MaxSource {
		return nil, strictyaml.At(nil, "a dialect has at most %d bytes: is it another file?", MaxSource)
	}
	if !utf8.Valid(data) {
		return nil, strictyaml.At(nil, "this is not UTF-8: save the file as UTF-8")
	}
	text := strings.NewReplacer("\ufeff", "", "\r\n", "\n", "\r", "\n").Replace(string(data)) // as an editor shows it
	body, err := strictyaml.Document(text, strictyaml.Words{
		Empty:  "the dialect is empty: see pushpull dialect --example for one to start from",
		Second: "a second document begins here: use one file per dialect",
		Syntax: "the YAML makes no sense here: put a text with characters like { : # in 'quotes', and look at the lines around",
		Shape:  "a dialect is made of lines like name: nchan: see pushpull dialect --example",
	})
	if err != nil {
		return nil, err
	}
	var f file
	lines, _ := body.(ast.Node) // all mappings are nodes
	if err := read(lines, "dialect", fileKeys(), &f); err != nil {
		return nil, err
	}
	return compile(&f)
}

// Example returns a dialect file with comments that shows all there is.
func Example() []byte { return slices.Clone(example) }

//go:embed example.yaml
var example []byte
