//go:build !race

package web_test

import (
	"testing"

	"go.uber.org/goleak"

	"pushpull/report/web/browsertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browsertest.Tests{M: m}) }
