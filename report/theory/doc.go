// Package theory says what a run should measure: for each transport the latency that it adds to a
// message, and the requests and reads of the store that it costs, as functions of a few numbers.
//
// It measures nothing and fits nothing: the formulas are told their parameters, for which Rows takes
// what a result says of the scenario and of the machine, and a disagreement with what was measured is
// a fault of the server, of the load generator or of the formula.
//
// All times are seconds and all rates are per second. Messages come at random, each independent of
// every other (a Poisson process): a room of independent Poisson senders sees one Poisson process
// of the sum of their rates, and a part of it picked at random is Poisson again (superposition and
// thinning; Kingman, Poisson Processes, 1993, chapters 2 and 5). A user's rate is that of its room,
// the user's own messages among them: they wake a long poll like anybody else's.
//
// Waits are those that the transport adds, from the time when a message is in the store to the time
// when the server takes it up for the user. The way of the message to the store, its answer's way
// back and the service itself come on top: see Distribution.
package theory
