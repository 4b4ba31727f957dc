// Package alarm wakes a goroutine at an exact time. Go's own timers are rounded up to the next millisecond if nothing
// else runs; half a millisecond, on average, would be part of every latency. On Linux an alarm is a timerfd, which is
// about 0.04 ms late (BenchmarkAlarm in package loadgen).
//
// It doesn't keep a list of times: an alarm rings once for the time that was set last.
package alarm
