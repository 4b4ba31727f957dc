package websocket_test

import (
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTransport(t *testing.T) { transporttest.Run(t, websocket.Transport{}) }

func TestLeanTransport(t *testing.T) { transporttest.Run(t, websocket.Transport{Lean: true}) }
