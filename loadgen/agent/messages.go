package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/micro"

	"pushpull/loadgen"
)

// Names of the services.
const serviceName, runName = "pushpull-agent", "pushpull-run"

// protocol is the version of the messages, as micro services have one. Agents and runs agree only if the versions of
// pushpull are the same, so it needs no other value.
const protocol = "1.0.0"

// Metadata of an agent.
const (
	metaName    = "name"
	metaMachine = "machine"
	metaVersion = "pushpull"
	metaPID     = "pid"
	metaCores   = "cores"
	metaMemory  = "memory" // bytes of the machine
	metaFiles   = "files"  // that the process may have open; 0: unknown
	metaPorts   = "ports"  // for connections to one address; 0: unknown
)

func subjectOfAgent(id string) string { return "pushpull.agent." + id }

func subjectOfRun(run string) string { return "pushpull.run." + run }

// Codes of refusals.
const (
	codeBad     = "400" // the message makes no sense, or asks for too much
	codeStray   = "403" // the run has not claimed the agent, or no longer
	codeClaimed = "409" // another run has claimed the agent
	codeVersion = "426" // the run is another version of pushpull
	codeBusy    = "503" // the agent still ends a window
)

// A message is a request of a coordinator.
type message struct {
	Run     string `json:"run"`
	Version string `json:"version,omitempty"` // claim: of pushpull
	By      string `json:"by,omitempty"`      // claim: where the run is, for people
	Window  int    `json:"window,omitempty"`  // the run's number of the window, from 1
	Task    []byte `json:"task,omitempty"`    // prepare: a loadgen.Task, packed
	Met     int    `json:"met,omitempty"`     // go: how often the generators have met
	Why     string `json:"why,omitempty"`     // end: the reason
	From    int    `json:"from,omitempty"`    // window, known: offset of the part
}

// A shared is a request of an agent for what the agent of a part has shared at a meeting.
type shared struct {
	Run    string `json:"run"`
	Window int    `json:"window"`
	Met    int    `json:"met"`
	Part   int    `json:"part"`
	From   int    `json:"from"` // offset in it
}

// A status is what an agent says of itself.
type status struct {
	Agent    string   `json:"agent"` // its id
	Run      string   `json:"run"`
	State    State    `json:"state"`
	Window   int      `json:"window"`            // its latest; 0: none
	Met      int      `json:"met"`               // how often it came to meet the others
	At       string   `json:"at,omitempty"`      // what for, at last
	Known    int      `json:"known,omitempty"`   // bytes of what it has to share there, packed; 0: nothing
	Failed   string   `json:"failed,omitempty"`  // why there is no window
	Size     int      `json:"size,omitempty"`    // of the packed window in bytes, once there is one
	Leaving  bool     `json:"leaving,omitempty"` // the process ends
	Progress progress `json:"progress,omitzero"`
	Load     load     `json:"load,omitzero"`
}

// ended reports whether the window of that number is over, with one or without.
func (s *status) ended(window int) bool {
	return s.Window == window && (s.Failed != "" || s.Size > 0)
}

// A progress is that of the users of one agent, as in loadgen.Progress.
type progress struct {
	Phase     string        `json:"phase"`
	In        time.Duration `json:"in_ns"`
	Waiting   string        `json:"waiting,omitempty"`
	Joined    int           `json:"joined"`
	PerS      float64       `json:"joined_per_s,omitempty"`
	Sent      int           `json:"sent"`
	Expected  int           `json:"expected"`
	Delivered int           `json:"delivered"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
}

func progressOf(p loadgen.Progress) progress {
	return progress{
		Phase: p.Phase, In: p.In, Waiting: p.Waiting, Joined: p.Joined, PerS: p.JoinedPerS, Sent: p.Sent, Expected: p.Expected, Delivered: p.Delivered,
	}
}

// answer answers a request.
func answer(r micro.Request, v any) {
	_ = r.RespondJSON(v) // without an answer the request comes again
}

// refuse answers a request that can't be met.
func refuse(r micro.Request, code, format string, args ...any) {
	_ = r.Error(code, fmt.Sprintf(format, args...), nil) // as in answer
}

// Limits of what others send, so that it takes neither much memory nor much time: the bytes of what unpack reads, as a
// line of a result has fewer; the values in it, as each may take many times its bytes in memory; the bytes of a text of
// an agent; the cores of a machine; and the users or messages of a window. Packed, nothing has more bytes than unpacked.
const (
	mostUnpacked = 32 << 20
	mostValues   = 100_000
	mostText     = 8 << 10
	mostCores    = 1 << 16
	mostCount    = 1 << 40
)

// pack returns v as compressed JSON.
func pack(v any) ([]byte, error) {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	err := json.NewEncoder(compressed).Encode(v)
	if err == nil {
		err = compressed.Close()
	}
	return out.Bytes(), err
}

// unpack reads into v what pack has returned.
func unpack(data []byte, v any) error {
	compressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(compressed, mostUnpacked+1))
	if err != nil {
		return err
	}
	values := 0
	for _, mark := range []string{"{", "[", ","} {
		values += bytes.Count(text, []byte(mark))
	}
	if len(text) > mostUnpacked || values > mostValues {
		return errors.New("it is too large")
	}
	return json.Unmarshal(text, v)
}

// shortened returns a text that a status may hold.
func shortened(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText-len("…")], "") + "…"
}

// readStatus reads a status, and returns an error if an agent can't have it. A progress or a load that can't be is left
// out, as it is for people alone.
func readStatus(data []byte) (s status, err error) {
	if err := json.Unmarshal(data, &s); err != nil {
		return status{}, err
	}
	if least := min(s.Window, s.Met, s.Known, s.Size); least < 0 {
		return status{}, fmt.Errorf("%d is less than none", least)
	}
	if most := max(s.Known, s.Size); most > mostUnpacked {
		return status{}, fmt.Errorf("%d bytes are more than %d", most, mostUnpacked)
	}
	p := s.Progress
	if least, most := min(p.Joined, p.Sent, p.Expected, p.Delivered), max(p.Joined, p.Sent, p.Expected, p.Delivered); least < 0 || most > mostCount ||
		p.PerS < 0 || p.PerS > mostCount || min(p.In, p.P50, p.P99) < 0 {
		s.Progress = progress{}
	}
	s.Load = s.Load.checked()
	for _, text := range []string{s.Agent, s.Run, string(s.State), s.At, s.Failed, p.Phase, p.Waiting} {
		if len(text) > mostText {
			return status{}, fmt.Errorf("a text of it has %d bytes, more than %d", len(text), mostText)
		}
	}
	return s, nil
}

// memberOf reads what an agent says of itself as a service; false if it is none.
func memberOf(data []byte) (m *member, ok bool) {
	var info micro.Info
	if json.Unmarshal(data, &info) != nil || info.Name != serviceName || !isToken(info.ID) {
		return nil, false
	}
	number := func(key string, most int) int {
		n, err := strconv.Atoi(info.Metadata[key])
		if err != nil || n < 0 || n > most {
			return 0 // unknown
		}
		return n
	}
	m = &member{
		id: info.ID, name: info.Metadata[metaName], machine: info.Metadata[metaMachine], pid: number(metaPID, math.MaxInt32),
		may: loadgen.Capacity{Cores: number(metaCores, mostCores), Files: number(metaFiles, math.MaxInt), Ports: number(metaPorts, 1<<16)},
	}
	m.may.Machine = m.machine
	return m, len(m.name) <= mostText && len(m.machine) <= mostText
}

// isToken reports whether an id is a part of a subject without wildcards, as those of micro services are.
func isToken(id string) bool {
	return id != "" && len(id) <= mostText && !strings.ContainsFunc(id, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
