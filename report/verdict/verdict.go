// Package verdict decides between transports: how exact each figure of a row is, whether two rows differ in
// it, and which transport is the one to choose under which condition.
//
// It writes no words, draws nothing, and never recommends a row with a fatal doubt.
package verdict
