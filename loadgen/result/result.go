// Package result holds the results of runs: it writes and reads them as files, and merges windows into
// the rows and metrics from which reports take every number.
//
// It measures nothing and draws nothing.
//
// A result is the file result.jsonl. Each of its lines holds an object with exactly one member,
// "run" or "window"; the run comes first. Times are seconds, latencies are histograms of
// nanoseconds, memory is bytes. A line has at most 32 MB, a file 256 MB: a Writer writes no more, and
// a reader reads no more. What a Writer has written can be read.
package result

import (
	"time"
)

// Schema is the version of the format. Read refuses newer ones.
const Schema = 1

// File is the name of a result's file in its directory.
const File = "result.jsonl"

// A Line is one line of a result: exactly one of its fields is set.
type Line struct {
	Run    *Run    `json:"run,omitempty"`
	Window *Window `json:"window,omitempty"`
}

// A Run describes what was measured, on which machine, and how to repeat it.
type Run struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Command string    `json:"command"` // repeats the run

	Note string            `json:"note,omitempty"` // what people say about the run, as in CheckRemarks
	Tags map[string]string `json:"tags,omitempty"` // likewise, like the commit that was measured

	Scenario    Scenario    `json:"scenario"`
	Environment Environment `json:"environment"`

	Faults *Faults `json:"faults,omitempty"` // of pushpull faults; nil: nothing was made to break
}

// An Environment is the machine and the software of a run.
type Environment struct {
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	MemoryBytes uint64            `json:"memory_bytes"`
	OS          string            `json:"os"`     // like "debian 12.5"
	Kernel      string            `json:"kernel"` // like "6.1.0"
	Arch        string            `json:"arch"`
	Go          string            `json:"go"`
	Pushpull    string            `json:"pushpull"` // its version, "(devel)" for a working tree
	Modules     map[string]string `json:"modules"`  // versions of the measured libraries, by path
}

// A Window is one measurement of one transport, with all users of the scenario.
//
// It counts the messages whose intended time is in its measured part. Those of the warm-up are sent
// and delivered, but not counted.
//
// A window that could not be measured has Failed set, and no figures: only Transport, Round, Started
// (of the attempt), Way, Users, Servers, Outages and the fault of Aftermath are known, and JSON has only those.
type Window struct {
	Transport   string    `json:"transport"`            // like "short-poll@5s"
	Round       int       `json:"round"`                // from 1
	Started     time.Time `json:"started"`              // of the measured part
	Way         Way       `json:"way"`                  // of the transport
	IntervalS   float64   `json:"interval_s,omitempty"` // in old results, instead of Way; never written
	Users       int       `json:"users"`
	Servers     int       `json:"servers,omitempty"`     // that share the users; 0: one
	Cores       int       `json:"cores"`                 // that the generator could use
	DurationS   float64   `json:"duration_s"`            // actual duration of the measured part
	DrainedS    float64   `json:"drained_s"`             // from its end to the last delivery
	Interrupted bool      `json:"interrupted,omitempty"` // stopped early: messages still under way are not counted

	Failed  string   `json:"failed,omitempty"`  // why the window could not be measured, in one line; empty: it was
	Outages []Outage `json:"outages,omitempty"` // of servers, and of their store

	// A server ran another file than those of the first window, as the program was replaced during the run.
	OtherProgram bool `json:"other_program,omitempty"`

	Planned      int `json:"planned"`      // messages whose intended time is in the measured part
	Sent         int `json:"sent"`         // of the planned messages, those that the server stored
	Expected     int `json:"expected"`     // copies of the sent messages: one for each member other than the sender
	Delivered    int `json:"delivered"`    // of the expected copies, those that arrived, each counted once
	Lost         int `json:"lost"`         // of the expected copies, those that did not arrive
	Duplicated   int `json:"duplicated"`   // copies that arrived again
	Reordered    int `json:"reordered"`    // copies that arrived after a later one of the same sender
	Misdelivered int `json:"misdelivered"` // messages that arrived and were never sent to that room

	// Reached are the users that got a message of another member, warm-up included. In a short window with few messages some
	// get none, although nothing is lost.
	Reached int `json:"reached,omitempty"`

	// Untimed are deliveries of messages that another agent had sent: they are counted, but in no latency, as no clock is
	// compared with another one.
	Untimed int `json:"untimed,omitempty"`

	// Bunched are deliveries on a stream that came within a millisecond of one that was sent at least 100 ms before or after,
	// from the second time on that this happened to a receiver: a single pause holds back the messages of all once.
	Bunched int `json:"bunched,omitempty"`

	// IdleEnds are the connections that were ended after an equal time of silence, as by a timer; nil: none were.
	IdleEnds *IdleEnds `json:"idle_ends,omitempty"`

	FailedRequests int `json:"failed_requests,omitempty"` // to receive, to send and to join, warm-up and drain included
	Rejoins        int `json:"rejoins,omitempty"`         // of users whose session ended early, warm-up and drain included
	Limited        int `json:"limited,omitempty"`         // requests that a server refused for now and users made again, warm-up and drain included
	Spoiled        int `json:"spoiled,omitempty"`         // in a duet: windows replaced by this one and its partner, as GeneratorLate was true of them

	Latency   *Histogram `json:"latency"`    // from the intended time to the decoded message, of each delivery
	SendDelay *Histogram `json:"send_delay"` // from the intended time to the start of sending
	Accept    *Histogram `json:"accept"`     // from the start of sending to the server's acknowledgement
	Late      *Histogram `json:"late"`       // the delay that the generator itself added to the intended time
	Slices    []Slice    `json:"slices"`     // latency over time

	Traffic   Traffic  `json:"wire"`
	Store     *Store   `json:"store,omitempty"`  // nil if unknown
	Server    *Process `json:"server,omitempty"` // nil if unknown
	Generator Process  `json:"generator"`
	Agents    []Agent  `json:"agents,omitempty"` // that measured a part each, Generator and Cores are their sums; empty: one process had all users

	Joins   *Joins `json:"joins,omitempty"`   // of all users at first; nil: the result is older than the figure
	Returns *Joins `json:"returns,omitempty"` // of users whose session had ended, from then on; nil: none came back, or as above

	JoinSteps []JoinStep `json:"join_steps,omitempty"` // when users joined, at first; empty: the result is older than that

	Joining []MemorySample `json:"joining,omitempty"` // memory of the servers while the users joined, of none of them first; empty: unknown

	// The generator and the servers were profiled meanwhile, which costs CPU, if either is set.
	Profiles   []string `json:"profiles,omitempty"`   // files for go tool pprof, from the directory of the result
	Unprofiled string   `json:"unprofiled,omitempty"` // why profiles are missing, in one line; empty: none are

	Errors  []Failure `json:"errors,omitempty"`
	Dropped []Drop    `json:"dropped,omitempty"` // values that nothing can have measured: see Settle

	Calibration *Calibration `json:"calibration,omitempty"` // nil: the window had no warm-up

	Aftermath *Aftermath `json:"aftermath,omitempty"` // of the fault that happened in the window; nil: none was made to
}

// Joins are what it took users to join, or to join again after their session had ended: with the failed attempts and the
// waits between them. Theory knows the round trips: report/theory.
type Joins struct {
	Users       int   `json:"users"`       // how often one joined
	Connections int64 `json:"connections"` // that they made
	Bytes       int64 `json:"bytes"`       // that the connections had carried by then, in both directions, TLS included

	// From the start of joining until the user could get a message: a stream was open, or, of users that poll, the poll
	// was answered by which they join. Of users that poll and join again, until a poll could go out. Polls of a foreign server
	// may be held: there, until a first exchange was over, or, if its dialect names none, until a poll could go out.
	Ready *Histogram `json:"ready"`
}

// A Calibration holds the inputs of theory: properties of the machine and the server. Extra members in
// rooms of their own measure them during the warm-up, under the same load as the users.
type Calibration struct {
	Members   int        `json:"members"`            // extra members at a time: they use memory, too
	RoundTrip *Histogram `json:"round_trip"`         // of the smallest exchange over HTTP, on a kept connection
	Connects  bool       `json:"connects,omitempty"` // RoundTrip is of making a TCP connection, as no small answer of the server is known
	Delivery  *Histogram `json:"delivery"`           // from the start of sending to the decoded message; empty if users poll, or the server scans, on a timer

	// With a network between users and servers, Delivery and Bytes are measured on the servers' side of it.
	Direct   *Histogram `json:"direct,omitzero"`     // RoundTrip without the network; empty: there is none
	NetworkS float64    `json:"network_s,omitempty"` // seconds that the network adds to RoundTrip, if it is as it should be

	Bytes *Bytes `json:"bytes"` // nil: there was no time to measure them
}

// Bytes are the bytes of each kind of exchange, in both directions and with the headers of HTTP. Over HTTP/2 they are
// those of an exchange on a connection that has carried others of its kind, and Literals are what others take beyond.
type Bytes struct {
	Send    int64 `json:"send"`            // of sending a message and its acknowledgement
	Empty   int64 `json:"empty"`           // of a poll with an empty response; 0 if users don't poll
	Fresh   int64 `json:"fresh,omitempty"` // the same in a room that never had a message, whose cursor is shorter; 0: unknown, of no matter as over HTTP/2, or users don't poll on a timer
	Answer  int64 `json:"answer"`          // of a poll with messages, without the messages; 0 if users don't poll
	Message int64 `json:"message"`         // of each message

	Literals *Literals `json:"literals,omitempty"` // nil: over HTTP/1.1, or measured without regard to HPACK
}

// Literals are the bytes of headers that HPACK (RFC 7541) writes in full, less those of the references to them that later
// exchanges on the connection have. Each is counted once, besides the Bytes of the exchange.
type Literals struct {
	Send   int64 `json:"send"`   // of the first message that is sent on a connection
	Poll   int64 `json:"poll"`   // of the first poll on it; 0 if users don't poll
	Answer int64 `json:"answer"` // of the first answer to a poll that has messages; 0 if users don't poll
	Date   int64 `json:"date"`   // of each answer whose Date is not that of the answer before; 0: the server has none, or never refers to one
}

// A Slice is the latency of the deliveries whose intended time is in one part of a window.
type Slice struct {
	AtS     float64    `json:"at_s"`    // its start, from the start of the measured part
	WidthS  float64    `json:"width_s"` // its length
	Latency *Histogram `json:"latency"`
}

// IdleEnds are connections that somebody else ended after an equal time of silence.
type IdleEnds struct {
	Count  int     `json:"count"`
	AfterS float64 `json:"after_s"`
}

// Traffic is the traffic on the users' connections during the measured part of a window. Connections
// and handshakes, those of TLS too, are counted from the join on, as the measured part uses them.
type Traffic struct {
	Connections    int64 `json:"connections"`
	Requests       int64 `json:"requests"`        // to receive: polls, streams and handshakes
	Handshakes     int64 `json:"handshakes"`      // those of the requests that opened a stream
	EmptyResponses int64 `json:"empty_responses"` // those of the requests whose response held no message
	Posts          int64 `json:"posts"`           // requests to send
	BytesIn        int64 `json:"bytes_in"`        // from the server, all of HTTP and TLS included
	BytesOut       int64 `json:"bytes_out"`       // to the server, likewise
	HandshakeBytes int64 `json:"handshake_bytes"` // of the handshakes, in both directions; not part of the two above

	TLSFull    int64 `json:"tls_full,omitempty"`    // TLS handshakes in full
	TLSResumed int64 `json:"tls_resumed,omitempty"` // and those that resumed a session
}

// Store counts the calls of the servers to their store during the measured part of a window.
type Store struct {
	Appends    int64 `json:"appends"`
	Reads      int64 `json:"reads"`
	EmptyReads int64 `json:"empty_reads"`
}

// A Process is the usage of a process during the measured part of a window, or that of several servers
// together.
type Process struct {
	CPUS         float64 `json:"cpu_s"`          // user and system time
	RSSBytes     int64   `json:"rss_bytes"`      // resident memory at the end
	RSSIdleBytes int64   `json:"rss_idle_bytes"` // resident memory before the users joined
}

// A Failure is an error of users, and how often it occurred.
type Failure struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// An Outage is the end of a server under test, or of its store, during a window, from the join to the drain.
type Outage struct {
	Of   string `json:"of"`             // like "one of 3 servers"
	Did  string `json:"did"`            // like "ended"
	How  string `json:"how"`            // like "killed by signal 9"; may be empty
	Last string `json:"last,omitempty"` // the last line that it wrote to its standard error; may be empty
}
