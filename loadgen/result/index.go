package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IndexFile is the name of an Index in the directory above its results.
const IndexFile = "index.json"

// The kinds of an Index.
const (
	KindSweep    = "sweep"    // each combination of values
	KindChoice   = "choice"   // what it takes to say which transport suits a load
	KindCapacity = "capacity" // the loads that a search has tried
	KindClaims   = "claims"   // what it takes to judge what has been claimed
)

func kinds() []string { return []string{KindSweep, KindChoice, KindCapacity, KindClaims} }

// An Index lists results that belong together. Each is a Point, and a result of its own in a directory
// below that of the index.
type Index struct {
	Schema  int       `json:"schema"`
	Kind    string    `json:"kind"`
	Started time.Time `json:"started"`
	Command string    `json:"command"` // repeats it

	Note string            `json:"note,omitempty"` // as in Run
	Tags map[string]string `json:"tags,omitempty"`

	Scenario Scenario `json:"scenario"`           // before anything is varied; Rounds is that of each point
	WithinS  float64  `json:"within_s,omitempty"` // the delay that p99 of delivery may not exceed; 0: any is fine
	Store    string   `json:"store,omitempty"`    // address of the servers' store if it holds no secret; empty: unknown, or in memory
	Axes     []Axis   `json:"axes"`
	Points   []Point  `json:"points"`

	// Of a sweep.
	DeliveriesPerS  float64 `json:"deliveries_per_s,omitempty"` // of all users together at each point, whose rate follows from it in place of the scenario's; 0: they have the scenario's
	Agents          string  `json:"agents,omitempty"`           // how many processes have the users: a number, or AgentsAuto; empty: one, the generator
	AgentsElsewhere bool    `json:"agents_elsewhere,omitempty"` // the agents wait at a NATS server, whose address may be a secret and is not kept

	Wanted   *Wanted   `json:"wanted,omitempty"`   // of a choice
	Capacity *Capacity `json:"capacity,omitempty"` // of KindCapacity, else nil
	Claims   *Claims   `json:"claims,omitempty"`   // of KindClaims, else nil
}

// An Axis is a knob that is varied, and its values as they are spelled in YAML.
type Axis struct {
	Key    string   `json:"key"` // of a Knob, or AxisInterval
	Values []string `json:"values"`
}

// AgentsAuto is the value of Index.Agents by which each point has as many agents and servers as it takes.
const AgentsAuto = "auto"

// MostAgents is the largest number of agents.
const MostAgents = 1000

// AxisInterval is the key of an Axis that varies the poll interval of the transports that poll on a timer.
const AxisInterval = "interval"

// A Point is a result below an index.
type Point struct {
	Dir    string   `json:"dir"`            // relative to that of the index, with slashes
	Values []string `json:"values"`         // one for each axis
	Role   string   `json:"role,omitempty"` // in a choice
}

// mostIndex is how long an index may be, in bytes.
const mostIndex = 16 << 20

// WriteIndex writes the index of dir. The file is replaced atomically. An index that ReadIndex would refuse is an error.
func WriteIndex(dir string, index Index) error {
	if err := index.check(); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	data, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	file, err := os.CreateTemp(dir, "."+IndexFile+".*")
	if err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	_, err = file.Write(append(data, '\n'))
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, IndexFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the index: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// ReadIndex reads the index of dir. The error wraps fs.ErrNotExist if there is none.
func ReadIndex(dir string) (Index, error) {
	name := filepath.Join(dir, IndexFile)
	file, err := os.Open(name)
	if err != nil {
		return Index{}, fmt.Errorf("reading an index: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostIndex+1))
	if err == nil && len(data) > mostIndex {
		err = fmt.Errorf("it is larger than %d MB", mostIndex>>20)
	}
	var index Index
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err == nil {
		err = index.check()
	}
	if err != nil {
		return Index{}, fmt.Errorf("%s: not an index of pushpull: %w", name, err)
	}
	return index, nil
}

// check returns an error if the index can't be used.
func (x *Index) check() error {
	switch {
	case x.Schema < 1 || x.Schema > Schema:
		return fmt.Errorf("its schema is %d, this pushpull reads up to %d: use a newer one", x.Schema, Schema)
	case !slices.Contains(kinds(), x.Kind):
		return fmt.Errorf("its kind is %.40q, want one of %s", x.Kind, strings.Join(kinds(), ", "))
	}
	if !(x.WithinS >= 0) { // no NaN
		return fmt.Errorf("its delay is %v s, want 0 or more", x.WithinS)
	}
	if err := x.checkLoad(); err != nil {
		return err
	}
	switch {
	case x.Wanted == nil && x.Kind == KindChoice:
		return errors.New(`it lacks "wanted", which says for which load a transport was to be chosen: measure again`)
	case x.Wanted != nil:
		if err := x.Wanted.check(); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, p := range x.Points {
		dir := path.Clean(p.Dir)
		switch {
		case !filepath.IsLocal(filepath.FromSlash(p.Dir)) || dir == ".":
			return fmt.Errorf("the point %.80q is not below it", p.Dir)
		case seen[dir]:
			return fmt.Errorf("it has the point %.80q twice", p.Dir)
		case len(p.Values) != len(x.Axes):
			return fmt.Errorf("the point %.80q has %d values for %d axes", p.Dir, len(p.Values), len(x.Axes))
		}
		seen[dir] = true
	}
	if err := CheckRemarks(x.Note, x.Tags); err != nil {
		return err
	}
	if err := errors.Join(x.checkCapacity(), x.checkClaims()); err != nil {
		return err
	}
	return x.Scenario.plausible()
}

// checkLoad returns an error if the deliveries or the agents of the index make no sense.
func (x *Index) checkLoad() error {
	switch {
	case !(x.DeliveriesPerS >= 0) || math.IsInf(x.DeliveriesPerS, 0): // no NaN
		return fmt.Errorf("its deliveries are %v per second, want 0 or more", x.DeliveriesPerS)
	case x.DeliveriesPerS > 0 && slices.ContainsFunc(x.Axes, func(a Axis) bool { return a.Key == "rate" }):
		return errors.New("it has deliveries per second, and varies the rate, which follows from them")
	}
	if n, err := strconv.Atoi(x.Agents); x.Agents != "" && x.Agents != AgentsAuto && (err != nil || n < 1 || n > MostAgents) {
		return fmt.Errorf("its agents are %.40q, want 1 to %d, or %s", x.Agents, MostAgents, AgentsAuto)
	}
	if x.AgentsElsewhere && (x.Agents == "" || x.Agents == AgentsAuto) {
		return errors.New("it has agents elsewhere, and not how many")
	}
	return nil
}
