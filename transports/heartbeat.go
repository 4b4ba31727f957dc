package transports

import "time"

// Heartbeat is how long a server is silent on a stream at most: when it had nothing to write for so long,
// it writes something that holds no message. So whoever is between the two ends keeps the connection open,
// and each end notices when the other one is gone without a word: the server because it can't write, the
// user because it heard nothing for two heartbeats.
const Heartbeat = 15 * time.Second
