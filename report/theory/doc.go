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
//
// Bytes are those of the calibrated exchanges times their number. Over HTTP/2 headers are compressed against those
// before them on the same connection (HPACK, RFC 7541), so what is written in full is counted besides, as
// result.Literals: the headers of a user's first message and first answer, the place in the path of its first poll,
// and the Date, once in each second of the clock in which the user gets an answer. The rest is less than 2% and left
// out. Headers that a table of 4,096 bytes has no room for are written again: as an entry takes 32 bytes more than its
// name and its value (section 4.1), the new places push them out after 50 answers with messages or more, which is a
// byte or two for each. And a WINDOW_UPDATE, of 13 bytes and a TLS record, is sent for each 4 KiB of bodies. The bytes
// of foreign servers over HTTP/2 are not predicted, as their headers are not known, and neither are those of results
// whose calibration took no account of HPACK.
package theory
