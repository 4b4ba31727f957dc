// Package scenarios holds the built-in scenarios, one YAML file each.
//
// It does not read what they say; loadgen does.
package scenarios

import "embed"

// Files holds a file NAME.yaml for each built-in scenario.
//
//go:embed *.yaml
var Files embed.FS
