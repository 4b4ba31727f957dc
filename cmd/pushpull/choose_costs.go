package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
)

// answerFrom answers from costs that were measured before.
func (o *chooseOptions) answerFrom(cmd *cobra.Command, base loadgen.Scenario, wanted result.Wanted) error {
	asked := cmd.Flags()
	named := len(asked.Args()) > 0
	index, results, err := openCosts(cmd.ErrOrStderr(), o.from, base, named || asked.Changed("room") || asked.Changed("size"))
	if err != nil {
		return err
	}
	first := slices.IndexFunc(results, func(r *result.Result) bool { return r != nil })
	if first < 0 {
		return fmt.Errorf("%s: no window was measured: measure again", o.from)
	}
	machine := results[first].Run.Environment
	elsewhere := ""
	if here := loadgen.Environment(); here.CPU != machine.CPU || here.Cores != machine.Cores {
		elsewhere = fmt.Sprintf("%s, %d cores", machine.CPU, machine.Cores)
	}
	if !named && !asked.Changed("every") {
		wanted.Rate = index.Wanted.Rate
	}
	if !named && !asked.Changed("users") {
		wanted.Users = index.Wanted.Users
	}
	if room := index.Scenario.RoomSize; wanted.Users < room {
		return usageError(fmt.Errorf("the costs in %s are those of rooms of %d: --users must be at least that", o.from, room))
	}
	if !asked.Changed("server-cores") {
		wanted.Processors = machine.Cores
	}
	index.Wanted = &wanted
	advice, err := report.NewAdvice(index, results, elsewhere)
	if err != nil {
		return fmt.Errorf("%s: %w", o.from, err)
	}
	return o.deliver(cmd, advice, o.destination.out, nil)
}

// openCosts reads the index of dir and its results. If dir has no index, but directories below it have, that with
// rooms and messages of the scenario's sizes is read. If these sizes were not asked for, a single index may have others.
func openCosts(warnings io.Writer, dir string, base loadgen.Scenario, asked bool) (result.Index, []*result.Result, error) {
	paths := []string{dir}
	if _, err := os.Stat(filepath.Join(dir, result.IndexFile)); err != nil {
		found, _ := filepath.Glob(filepath.Join(dir, "*", result.IndexFile))
		if len(found) == 0 {
			return result.Index{}, nil, noCosts(dir)
		}
		paths = nil
		for _, path := range found {
			paths = append(paths, filepath.Dir(path))
		}
	}
	var sizes []string
	for _, path := range paths {
		index, err := result.ReadIndex(path)
		if err != nil {
			return result.Index{}, nil, err
		}
		if index.Kind != result.KindChoice {
			continue
		}
		s := index.Scenario
		same := s.RoomSize == base.RoomSize && s.Size == base.Size && sendersOf(s) == sendersOf(result.Scenario(base))
		if !same && (asked || len(paths) > 1) {
			sizes = append(sizes, fmt.Sprintf("rooms of %d with %d senders and messages of %d bytes", s.RoomSize, sendersOf(s), s.Size))
			continue
		}
		results, err := openPoints(warnings, path, index)
		return index, results, err
	}
	if len(sizes) == 0 {
		return result.Index{}, nil, noCosts(dir)
	}
	return result.Index{}, nil, usageError(fmt.Errorf("%s has costs of %s: ask for one of these, or measure without --from", dir, strings.Join(sizes, "; ")))
}

func noCosts(dir string) error {
	return fmt.Errorf("there are no costs in %s: name a directory that pushpull choose has written", dir)
}

// sendersOf returns the number of members of a room that send.
func sendersOf(s result.Scenario) int {
	if s.Senders == 0 {
		return s.RoomSize
	}
	return s.Senders
}

// openPoints reads the results of an index, in the order of its points; nil where nothing was measured.
func openPoints(warnings io.Writer, dir string, index result.Index) ([]*result.Result, error) {
	results := make([]*result.Result, len(index.Points))
	for i, p := range index.Points {
		path := filepath.Join(dir, filepath.FromSlash(p.Dir))
		if _, err := os.Stat(path); os.IsNotExist(err) {
			continue
		}
		var err error
		if results[i], err = openResult(warnings, path); err != nil {
			return nil, err
		}
	}
	return results, nil
}
