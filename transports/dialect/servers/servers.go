// Package servers is the one list of the servers whose dialects come with pushpull.
//
// Each is a file for package rules. This package adds nothing to them: what a server is and promises, its file
// says. How each server is started, README.md says.
package servers

import (
	"embed"
	"fmt"
	"slices"

	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
	"pushpull/transports/typo"
)

//go:embed *.yaml
var files embed.FS

// Names returns the names of the servers, in the order in which they are shown.
func Names() []string {
	return []string{
		"nchan",
		"centrifugo",
		"socketio",
		"socketio-recovery",
		"faye",
		"sockjs",
		"apigateway",
		"mercure",
		"ntfy",
	}
}

// Find returns the dialect of a server.
func Find(name string) (dialect.Dialect, error) {
	data, err := Source(name)
	if err != nil {
		return nil, err
	}
	d, err := rules.Parse(file(name), data)
	if err != nil {
		return nil, fmt.Errorf("reading a built-in dialect: %w", err)
	}
	return d, nil
}

// Source returns the file that holds the dialect of a server.
func Source(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, typo.Unknown("dialect", name, Names())
	}
	return files.ReadFile(file(name))
}

func file(name string) string { return name + ".yaml" }
