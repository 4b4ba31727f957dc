package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
)

// scenarioOptions choose a scenario and override its values.
type scenarioOptions struct {
	usual   string          // name of the default scenario
	values  result.Scenario // of the flags
	against *foreigns       // that are measured too; nil: none

	networks []network.Profile // of the flags
	several  bool              // networks are compared, so there may be several
}

// addFlags adds a flag for each knob that has one.
func (o *scenarioOptions) addFlags(f *pflag.FlagSet) {
	for _, k := range result.Knobs() {
		if k.Usage != "" {
			grouped(f, k.Group, func(f *pflag.FlagSet) { o.addFlag(f, k) })
		}
	}
}

func (o *scenarioOptions) addFlag(f *pflag.FlagSet, k result.Knob) {
	name := k.Flag()
	switch value := k.Field(&o.values).(type) {
	case *bool:
		f.BoolVar(value, name, false, k.Usage)
	case *int:
		intVar(f, value, name, 0, k.Usage)
	case *uint64:
		uintVar(f, value, name, k.Usage)
	case *float64:
		floatVar(f, value, name, k.Usage)
	case *result.Seconds:
		f.Var(value, name, k.Usage)
		f.Lookup(name).DefValue = "" // the default is the scenario's
	case *string:
		f.StringVar(value, name, "", k.Usage)
	case *[]string:
		listVar(f, value, name, k.Usage)
	case *network.Profile:
		networkVar(f, networksValue{value, &o.networks}, k.Usage, o.several)
	default:
		panic(fmt.Sprintf("knob %s: no flag can hold a %T", k.Key, value))
	}
}

// scenario returns the named scenario, or the default one, with the values of the flags that were set.
func (o *scenarioOptions) scenario(flags *pflag.FlagSet, args []string) (loadgen.Scenario, error) {
	name := o.usual
	if len(args) > 0 {
		name = args[0]
	}
	s, err := loadScenario(name)
	if err != nil {
		return s, err
	}
	set := map[string]string{} // the flags that were set, by key
	for _, k := range result.Knobs() {
		if k.Usage != "" && flags.Changed(k.Flag()) {
			value := reflect.ValueOf(k.Field(&o.values)).Elem()
			reflect.ValueOf(k.Field((*result.Scenario)(&s))).Elem().Set(value)
			set[k.Key] = k.Flag()
		}
	}
	if !o.several {
		if err := oneNetwork(o.networks); err != nil {
			return s, err
		}
	}
	s.Transports = o.against.expand(s.Transports, set["transports"] != "")
	if _, err := o.against.resolved(s); err != nil {
		field, ok := errors.AsType[*loadgen.FieldError](err)
		if ok && set[field.Key] != "" {
			return s, fmt.Errorf("--%s %s", set[field.Key], field.Text)
		}
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// scenarioArgument describes the argument that loadScenario reads, for the help of the commands.
const scenarioArgument = `SCENARIO is the name of a built-in scenario (pushpull scenarios lists them), the path of a YAML
file, or - for standard input. A built-in name wins over a file of that name: write ./NAME for
the file.`

// loadScenario reads a built-in scenario by its name, a YAML file by its path, or standard input, "-".
func loadScenario(name string) (loadgen.Scenario, error) {
	if slices.Contains(loadgen.Builtins(), name) {
		return loadgen.Builtin(name)
	}
	data, err := source(name)
	if errors.Is(err, fs.ErrNotExist) {
		for _, ending := range []string{".yaml", ".yml"} {
			if _, err := os.Stat(name + ending); err == nil {
				return loadgen.Scenario{}, fmt.Errorf("there is no scenario %s: the file is %s", name, name+ending)
			}
		}
		if !strings.ContainsAny(name, `./\`) {
			return loadgen.Builtin(name) // an error that names them all
		}
		err = fmt.Errorf("%w: pushpull scenarios lists the built-in ones", err)
	}
	if err != nil {
		return loadgen.Scenario{}, fmt.Errorf("reading the scenario: %w", err)
	}
	if name == "-" {
		name = "standard input"
	}
	return loadgen.Parse(name, data)
}

// source returns the content of a file, or of standard input if its path is "-". Of a file that is too
// long for a scenario, and may have no end, it returns one byte more than a scenario has.
func source(path string) ([]byte, error) {
	file := os.Stdin
	if path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: give the path of a YAML file", path)
	}
	return io.ReadAll(io.LimitReader(file, loadgen.MaxSource+1))
}
