package longpoll_test

import (
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/longpoll"
	"pushpull/transports/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTransport(t *testing.T) { transporttest.Run(t, longpoll.Transport{}) }
