package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version returns the version of the binary, the commit that it was built from and the Go that built it.
// The version that a result keeps (result.Environment) needs no commit: the toolchain writes it into the
// version of a module that is built from a commit without a tag.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	return strings.Join(append(revisionOf(info), fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)), ", ")
}

// revision returns what version does without the Go that built the binary: the code is the same for all systems.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return strings.Join(revisionOf(info), ", ")
}

func revisionOf(info *debug.BuildInfo) []string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	parts := []string{cmp.Or(info.Main.Version, "(devel)")}
	if commit := settings["vcs.revision"]; commit != "" {
		day, _, _ := strings.Cut(settings["vcs.time"], "T")
		about := day
		if settings["vcs.modified"] == "true" {
			about = strings.TrimPrefix(about+", modified", ", ")
		}
		if about != "" {
			about = " (" + about + ")"
		}
		parts = append(parts, fmt.Sprintf("commit %.12s%s", commit, about))
	}
	return parts
}
