// Package theory predicts what a run should measure: the latency that each transport adds to a
// message, and the requests and store reads that it costs, as functions of a few parameters.
//
// It measures nothing and fits nothing. Rows takes the parameters from the scenario and the
// calibration of a result, so a measurement that disagrees with its prediction points to a fault in
// the server, in the load generator or in the formula.
//
// All times are in seconds and all rates are per second. Messages arrive at random, independent of
// each other (a Poisson process): a room of independent Poisson senders sees one Poisson process
// whose rate is the sum of theirs, and a random part of a Poisson process is Poisson again
// (superposition and thinning; Kingman, Poisson Processes, 1993, chapters 2 and 5). The rate of a
// user is that of its room and includes the user's own messages: they wake its long poll like any
// other message.
//
// A wait is the time that the transport adds: from the moment when a message is stored to the moment
// when the server picks it up for the user. It excludes the message's way to the store, the service
// time and the answer's way back; add these with [Distribution.Plus].
package theory
