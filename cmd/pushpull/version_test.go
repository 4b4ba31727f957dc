package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	const commit = "abcdef1234567890abcdef1234567890abcdef12"
	built := ", " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	for want, info := range map[string]debug.BuildInfo{
		"(devel)": {},
		"v0.3.0":  {Main: debug.Module{Version: "v0.3.0"}},
		"(devel), commit abcdef123456 (2026-11-29, modified)": {
			Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: "2026-11-29T12:00:00Z"}, {Key: "vcs.modified", Value: "true"},
			},
		},
		"v0.3.0, commit abcdef123456 (2026-11-29)": {
			Main: debug.Module{Version: "v0.3.0"},
			Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: "2026-11-29T12:00:00Z"}, {Key: "vcs.modified", Value: "false"},
			},
		},
		"(devel), commit abcdef123456 (modified)": {
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "true"}},
		},
		"(devel), commit abcdef123456": {
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: commit}},
		},
	} {
		if got := versionOf(&info); got != want+built {
			t.Errorf("%q, want %q", got, want+built)
		}
	}
}
