package memory

import (
	"time"

	"pushpull/transports"
)

// keys are those of the messages of a log, for as long as they must be known. nil is an empty set without an add.
type keys struct {
	seqs  map[transports.Key]uint64
	added []keyed // oldest first
}

// A keyed is a message with a key.
type keyed struct {
	key transports.Key
	seq uint64
	at  time.Time
}

// keySize is what a key takes in memory: its text, and its places in a map and an array that are half empty.
func keySize(k transports.Key) int64 { return int64(len(k)) + 192 }

// find returns the seq of the message with a key.
func (k *keys) find(key transports.Key) (seq uint64, ok bool) {
	if k == nil || key == "" {
		return 0, false
	}
	seq, ok = k.seqs[key]
	return seq, ok
}

// add adds the key of the newest message, and lets old ones go. It returns by how many bytes the keys have grown.
func (k *keys) add(key transports.Key, seq uint64) (grown int64) {
	now := time.Now()
	for len(k.added) > 0 && now.Sub(k.added[0].at) > transports.KeyTime {
		grown -= k.drop()
	}
	if k.seqs == nil {
		k.seqs = map[transports.Key]uint64{}
	}
	k.seqs[key] = seq
	k.added = append(k.added, keyed{key, seq, now})
	return grown + keySize(key)
}

// forget lets the keys of all messages before one go, and returns their bytes.
func (k *keys) forget(before uint64) (freed int64) {
	for k != nil && len(k.added) > 0 && k.added[0].seq < before {
		freed += k.drop()
	}
	return freed
}

// drop lets the oldest key go, and returns its bytes.
func (k *keys) drop() int64 {
	old := k.added[0]
	k.added[0] = keyed{}
	k.added = k.added[1:]
	if k.seqs[old.key] == old.seq { // else the same key came again after the message had left the log
		delete(k.seqs, old.key)
	}
	return keySize(old.key)
}
