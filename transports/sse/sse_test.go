package sse_test

import (
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/sse"
	"pushpull/transports/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTransport(t *testing.T) { transporttest.Run(t, sse.Transport{}) }

func TestOneReadForEachMessageAndJoin(t *testing.T) {
	transporttest.OneReadForEachMessageAndJoin(t, sse.Transport{})
}
