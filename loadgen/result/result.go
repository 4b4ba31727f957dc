// Package result is what a run leaves behind: one line of JSON for the run and one for each
// window, and the rows that are merged from them.
//
// It measures nothing and draws nothing. Every number that a report shows comes from here.
//
// A result is the file result.jsonl. Each of its lines holds an object with exactly one member,
// "run" or "window"; the run comes first. Times are seconds, latencies are histograms of
// nanoseconds, memory is bytes.
package result

import (
	"time"
)

// Schema is the version of the format. A reader refuses a newer one.
const Schema = 1

// File is the name of a result within its directory.
const File = "result.jsonl"

// A Line is one line of a result: exactly one of its fields is set.
type Line struct {
	Run    *Run    `json:"run,omitempty"`
	Window *Window `json:"window,omitempty"`
}

// A Run says what was measured, on what, and how to measure it again.
type Run struct {
	Schema      int         `json:"schema"`
	Started     time.Time   `json:"started"`
	Command     string      `json:"command"` // repeats the run
	Scenario    Scenario    `json:"scenario"`
	Environment Environment `json:"environment"`
}

// A Scenario is what the simulated users do, as it was run: built-in or file, then flags.
type Scenario struct {
	Name       string   `json:"name"`
	About      string   `json:"about,omitempty"`
	Users      int      `json:"users"`
	RoomSize   int      `json:"room_size"` // members of a room, the sender among them
	Senders    int      `json:"senders"`   // members of each room who talk
	Rate       float64  `json:"rate"`      // messages per second of each sender, Poisson
	Size       int      `json:"size"`      // bytes of a message's body
	WarmupS    float64  `json:"warmup_s"`
	DurationS  float64  `json:"duration_s"` // of the measured part of a window
	DrainS     float64  `json:"drain_s"`    // longest wait for what is still under way
	Rounds     int      `json:"rounds"`
	Slices     int      `json:"slices,omitempty"` // windows that each round takes of each transport; 0: one
	Seed       uint64   `json:"seed"`
	Transports []string `json:"transports"`        // like "short-poll@5s"
	Target     string   `json:"target,omitempty"`  // a server that someone else started; empty: our own, fresh for each window
	Store      string   `json:"store,omitempty"`   // the kind of our servers' store, like "sqlite"; empty: unknown, or in memory
	Servers    int      `json:"servers,omitempty"` // of our own that share the store and the users; 0: one
}

// StoreKind returns the kind of the servers' store; that of our own is in memory where nothing else
// is said, and of someone else's it may be "", unknown.
func (s Scenario) StoreKind() string {
	if s.Store == "" && s.Target == "" {
		return "memory"
	}
	return s.Store
}

// An Environment is where a run took place.
type Environment struct {
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	MemoryBytes uint64            `json:"memory_bytes"`
	OS          string            `json:"os"`     // like "debian 12.5"
	Kernel      string            `json:"kernel"` // like "6.1.0"
	Arch        string            `json:"arch"`
	Go          string            `json:"go"`
	Pushpull    string            `json:"pushpull"` // its version, "(devel)" for a working tree
	Modules     map[string]string `json:"modules"`  // the versions of the libraries that are measured
}

// A Window is one transport measured once, by all users of the scenario, on one server.
//
// A message belongs to the window when it was to be sent within its measured part; what was
// sent while warming up is carried but not counted.
type Window struct {
	Transport   string    `json:"transport"`            // like "short-poll@5s"
	Round       int       `json:"round"`                // from 1
	Started     time.Time `json:"started"`              // of the measured part
	IntervalS   float64   `json:"interval_s,omitempty"` // the transport's poll interval, hold or scan interval; 0: it has none
	Users       int       `json:"users"`
	Servers     int       `json:"servers,omitempty"`     // that share the users; 0: one
	Cores       int       `json:"cores"`                 // that the generator could use
	DurationS   float64   `json:"duration_s"`            // of the measured part, as it was
	DrainedS    float64   `json:"drained_s"`             // from its end to the last delivery
	Interrupted bool      `json:"interrupted,omitempty"` // stopped early: what was still under way counts nowhere

	Planned      int `json:"planned"`      // messages that were to be sent
	Sent         int `json:"sent"`         // of them, those that the server stored
	Expected     int `json:"expected"`     // copies of those for members other than the sender
	Delivered    int `json:"delivered"`    // of them, those that came, each counted once
	Lost         int `json:"lost"`         // of them, those that did not
	Duplicated   int `json:"duplicated"`   // copies that came again
	Reordered    int `json:"reordered"`    // copies that came after a later one of the same sender
	Misdelivered int `json:"misdelivered"` // what came and was never sent to that room

	FailedRequests int `json:"failed_requests,omitempty"` // to receive, to send and to join, warm-up and drain included
	Rejoins        int `json:"rejoins,omitempty"`         // of users whose session had ended early, likewise

	Latency   *Histogram `json:"latency"`    // from the intended time to the decoded message, of each delivery
	SendDelay *Histogram `json:"send_delay"` // from the intended time to the start of sending
	Accept    *Histogram `json:"accept"`     // from the start of sending to the server's word that it is stored
	Late      *Histogram `json:"late"`       // what the generator itself added to the intended time
	Slices    []Slice    `json:"slices"`     // latency over time

	Wire      Wire      `json:"wire"`
	Store     *Store    `json:"store,omitempty"`  // nil: the server doesn't tell
	Server    *Process  `json:"server,omitempty"` // nil: the server doesn't tell
	Generator Process   `json:"generator"`
	Errors    []Failure `json:"errors,omitempty"`

	Calibration *Calibration `json:"calibration,omitempty"` // nil: the window had no warm-up
}

// A Calibration is what theory has to be told about the machine and the server. Two extra members
// of a room of their own measure it while the window warms up, under the same load as the rest.
type Calibration struct {
	Members   int        `json:"members"`    // who measured it, at a time: what they took of memory is not the users'
	RoundTrip *Histogram `json:"round_trip"` // of the smallest exchange over HTTP, on a kept connection
	Delivery  *Histogram `json:"delivery"`   // from the start of sending to the decoded message, with nothing else to wait for; empty where somebody asks on a timer
	Bytes     *Bytes     `json:"bytes"`      // nil: there was no time for it
}

// Bytes is what one exchange carries in both directions, the head of HTTP included.
type Bytes struct {
	Send    int64 `json:"send"`    // to send a message, and the word that it is stored
	Empty   int64 `json:"empty"`   // a question answered with nothing new; 0 where nobody asks
	Answer  int64 `json:"answer"`  // a question and its answer, without the messages; 0 where nobody asks
	Message int64 `json:"message"` // each message in it
}

// A Slice is the latency of the deliveries whose messages were to be sent in one part of a window.
type Slice struct {
	AtS     float64    `json:"at_s"`    // its start, from the start of the measured part
	WidthS  float64    `json:"width_s"` // its length
	Latency *Histogram `json:"latency"`
}

// Wire counts what the users' connections carried during the measured part of a window.
// Connections and handshakes count from the join on, as the measured part lives on them.
type Wire struct {
	Connections    int64 `json:"connections"`
	Requests       int64 `json:"requests"`        // to receive: polls, streams and handshakes
	Handshakes     int64 `json:"handshakes"`      // of those requests, the ones that opened a WebSocket
	EmptyResponses int64 `json:"empty_responses"` // of those requests, the ones answered with nothing new
	Posts          int64 `json:"posts"`           // requests to send
	BytesIn        int64 `json:"bytes_in"`        // from the server, all of HTTP and TLS included
	BytesOut       int64 `json:"bytes_out"`       // to the server, likewise
	HandshakeBytes int64 `json:"handshake_bytes"` // of the handshakes in both directions, apart from the two above
}

// Store counts what the server asked of its store during the measured part of a window.
type Store struct {
	Appends    int64 `json:"appends"`
	Reads      int64 `json:"reads"`
	EmptyReads int64 `json:"empty_reads"`
}

// A Process is what a process, or several that share the users, used during the measured part of a window.
type Process struct {
	CPUS         float64 `json:"cpu_s"`          // user and system time
	RSSBytes     int64   `json:"rss_bytes"`      // resident memory at the end
	RSSIdleBytes int64   `json:"rss_idle_bytes"` // resident memory before the users joined
}

// A Failure is an error that users met, and how often.
type Failure struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}
