package input

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Format is a kind of file that people give to pushpull instead of a scenario or a result.
type Format struct {
	Key  string // names its sample in testdata
	Name string // with its article, like "a k6 script"

	scenario, result string // what to do where a scenario or a result is wanted; empty: as for every other file
	is               func(beginning) bool
}

// beginning is the first part of a file.
type beginning struct {
	bytes []byte   // as they are in the file
	text  string   // decoded
	keys  []string // of the first JSON object
	array bool     // the first JSON object is in an array
}

// formats lists the formats that Identify distinguishes; the first one that fits counts. An
// entry that recognises the files of one program stands before that of their syntax.
func formats() []Format {
	const (
		page     = "give the directory of the run instead, which holds result.jsonl beside it"
		unpack   = "unpack it first"
		printed  = "it is printed from a result: give the directory of the run instead, which holds result.jsonl"
		compared = "benchstat compares two of them, pushpull check two directories of results"
	)
	return []Format{
		{Key: "empty", Name: "an empty file", is: func(b beginning) bool { return strings.TrimSpace(b.text) == "" }},
		{
			Key: "lfs", Name: "a pointer of Git LFS in place of the file", is: line(`^version https://git-lfs\.github\.com/spec/`),
			scenario: "git lfs pull fetches the file", result: "git lfs pull fetches the file",
		},

		{Key: "gzip", Name: "a gzip file", is: magic("\x1f\x8b"), scenario: unpack, result: unpack},
		{Key: "zip", Name: "a zip archive", is: magic("PK\x03\x04", "PK\x05\x06"), scenario: unpack, result: unpack},
		{Key: "zstd", Name: "a Zstandard file", is: magic("\x28\xb5\x2f\xfd"), scenario: unpack, result: unpack},
		{Key: "xz", Name: "an xz file", is: magic("\xfd7zXZ\x00"), scenario: unpack, result: unpack},
		{Key: "bzip2", Name: "a bzip2 file", is: magic("BZh"), scenario: unpack, result: unpack},
		{Key: "7z", Name: "a 7-Zip archive", is: magic("7z\xbc\xaf\x27\x1c"), scenario: unpack, result: unpack},
		{
			Key: "tar", Name: "a tar archive", scenario: unpack, result: unpack,
			is: func(b beginning) bool { return len(b.bytes) > 262 && string(b.bytes[257:262]) == "ustar" },
		},
		{Key: "png", Name: "a PNG image", is: magic("\x89PNG\r\n"), result: page},
		{Key: "jpeg", Name: "a JPEG image", is: magic("\xff\xd8\xff")},
		{Key: "pdf", Name: "a PDF", is: magic("%PDF-")},
		{Key: "sqlite", Name: "an SQLite database", is: magic("SQLite format 3\x00")},
		{Key: "elf", Name: "a program", is: magic("\x7fELF", "MZ\x90\x00", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe")},
		{Key: "vegeta-gob", Name: "a result of vegeta", is: line(`(?s)^.{4,40}Attack.{4,20}Seq.{4,20}Code`)},

		{Key: "pushpull-result", Name: "a result of pushpull", is: line(`^\{\s*"(run|window)"\s*:`), scenario: "pushpull report draws it, and its first line has the command that measured it"},
		{
			Key: "pushpull-scenario", Name: "a scenario", is: isScenario,
			result: "pushpull run measures it and writes a result",
		},
		{Key: "pushpull-json", Name: "what pushpull prints with --json", result: printed, is: func(b beginning) bool {
			return jsonKeys("schema", "scenario")(b) || jsonKeys("schema", "environment")(b) || jsonKeys("scenario", "comparisons")(b) ||
				jsonKeys("schema", "answer")(b)
		}},
		{Key: "pushpull-csv", Name: "what pushpull report prints with --csv", result: printed, is: line(`^run,scenario,transport,`)},
		{Key: "pushpull-page", Name: "a page of pushpull", is: line(`<title>[^<]*pushpull</title>`), result: page},
		{Key: "html", Name: "a page in HTML", is: line(`^(?i)<(!doctype\s+html|html)\b`)},
		{Key: "svg", Name: "an image in SVG", is: line(`<svg\b`), result: page},
		{Key: "junit", Name: "a JUnit report", is: line(`<testsuites?\b`), result: page},
		{Key: "tsung", Name: "a scenario of tsung", is: line(`<tsung\b`)},
		{Key: "jmeter", Name: "a test plan of JMeter", is: line(`<jmeterTestPlan\b`)},
		{Key: "xml", Name: "an XML file", is: line(`^<[?!a-zA-Z]`)},

		{Key: "k6-summary", Name: "a summary of k6", is: jsonKeys("metrics", "root_group")},
		{Key: "k6-points", Name: "the output of k6", is: jsonKeys("type", "data", "metric")},
		{Key: "github-action-benchmark", Name: "JSON for github-action-benchmark", is: func(b beginning) bool {
			return b.array && jsonKeys("name", "unit", "value")(b)
		}},
		{Key: "vegeta-report", Name: "a report of vegeta", is: jsonKeys("latencies", "bytes_in")},
		{Key: "vegeta-json", Name: "a result of vegeta", is: jsonKeys("attack", "seq", "code")},
		{Key: "artillery-report", Name: "a report of artillery", is: jsonKeys("aggregate", "intermediate")},
		{Key: "omb-result", Name: "a result of the OpenMessaging benchmark", is: jsonKeys("workload", "driver")},
		{Key: "hyperfine", Name: "a result of hyperfine", is: line(`^\{\s*"results":\s*\[\s*\{\s*"command"`)},
		{Key: "google-benchmark", Name: "a result of Google Benchmark", is: jsonKeys("context", "benchmarks")},
		{Key: "go-test-json", Name: "the output of go test -json", is: jsonKeys("Time", "Action")},
		{Key: "har", Name: "a HAR file", is: line(`^\{\s*"log":\s*\{`)},
		{Key: "json-array", Name: "a JSON array", is: line(`^\[\s*[\[{"\d\]]`)},
		{Key: "json", Name: "a JSON file of another program", is: func(b beginning) bool { return len(b.keys) > 0 }},

		{Key: "artillery", Name: "a script of artillery", is: all(yamlKeys("config"), yamlKeys("scenarios"))},
		{Key: "omb", Name: "a workload of the OpenMessaging benchmark", is: all(yamlKeys("topics"), yamlKeys("partitionsPerTopic", "producersPerTopic", "producerRate"))},
		{Key: "omb-driver", Name: "a driver of the OpenMessaging benchmark", is: yamlKeys("driverClass")},
		{Key: "workflow", Name: "a GitHub workflow", is: all(yamlKeys("on"), yamlKeys("jobs"))},

		{Key: "k6", Name: "a k6 script", is: line(`(from|require\()\s*['"]k6\b`)},
		{Key: "locust", Name: "a locustfile", is: line(`(?m)^(from|import) locust\b`)},
		{Key: "gatling", Name: "a simulation of Gatling", is: line(`(?m)^import io\.gatling\b`)},
		{Key: "vegeta", Name: "a list of targets of vegeta", is: line(`^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) https?://`)},
		{Key: "wrk", Name: "the output of wrk", is: line(`^Running .* test @ `)},
		{Key: "ab", Name: "the output of ApacheBench", is: line(`^This is ApacheBench`)},
		{Key: "benchfmt", Name: "Go benchmark text", is: line(`(?m)^(goos|goarch|pkg): \S+$|^Benchmark\S*\s+\d+\s+\S+ \S|^Unit \S+ \w+=`), result: compared},
		{Key: "hdr-log", Name: "a log of HdrHistogram", is: line(`^#\[|^\s*Value\s+Percentile\s+TotalCount`)},
		{Key: "prometheus", Name: "metrics for Prometheus", is: line(`(?m)^# (HELP|TYPE) \w+ `)},
		{Key: "markdown", Name: "a text in Markdown", is: line(`(?m)^\| ?:?-+:? ?\|`)},
		{Key: "javascript", Name: "a program in JavaScript", is: line(`(?m)^(import .* from ['"]|export |const \w+ = |module\.exports)`)},
		{Key: "python", Name: "a program in Python", is: line(`(?m)^(import \w+$|from \w+ import |def \w+\(|#!.*python)`)},
		{Key: "shell", Name: "a script", is: line(`^#!`)},
		{Key: "csv", Name: "a table in CSV", is: isTable},
	}
}

// Identify returns the format of a file that begins with head, or nil if it is none of the known ones.
// It looks at the first 16 KB.
func Identify(head []byte) *Format {
	head = head[:min(len(head), headSize)]
	b := beginning{bytes: head, text: strings.TrimLeft(string(decode(head)), " \t\r\n")}
	b.keys, b.array = keysOf(b.text)
	list := formats()
	i := slices.IndexFunc(list, func(f Format) bool { return f.is(b) })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// IsScenario returns true for a scenario of pushpull, which may have mistakes.
func (f *Format) IsScenario() bool { return f != nil && f.Key == "pushpull-scenario" }

// IsResult returns true for a result of pushpull, which may be damaged.
func (f *Format) IsResult() bool { return f != nil && f.Key == "pushpull-result" }

// NotScenario says that a file of the format is no scenario, and what to do.
func (f *Format) NotScenario() string {
	advice := f.scenario
	if advice == "" {
		advice = "pushpull scenarios chat prints one to start from"
	}
	return fmt.Sprintf("this is %s, not a pushpull scenario: %s", f.Name, advice)
}

// NotResult says that a file is no result, and what to do. f may be nil.
func (f *Format) NotResult() string {
	what, advice := "", "pushpull run writes one: give its result.jsonl, or the directory that holds it"
	if f != nil {
		what = "this is " + f.Name + ", "
		if f.result != "" {
			advice = f.result
		}
	}
	return what + "not a pushpull result: " + advice
}

// magic recognises a file by its first bytes.
func magic(prefixes ...string) func(beginning) bool {
	return func(b beginning) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return bytes.HasPrefix(b.bytes, []byte(prefix)) })
	}
}

// line recognises a text that matches the regular expression, in which ^ is the beginning of the text
// unless it says (?m).
func line(expression string) func(beginning) bool {
	return func(b beginning) bool { return regexp.MustCompile(expression).MatchString(b.text) }
}

// jsonKeys recognises JSON by the keys of its first object.
func jsonKeys(keys ...string) func(beginning) bool {
	return func(b beginning) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(b.keys, key) })
	}
}

// yamlKeys recognises YAML that has one of the keys.
func yamlKeys(keys ...string) func(beginning) bool {
	return line(`(?m)^['"]?(` + strings.Join(keys, "|") + `)['"]?\s*:`)
}

// isScenario returns true for two keys of a scenario that other programs don't have, in YAML or JSON.
func isScenario(b beginning) bool {
	n := 0
	for _, key := range []string{"users", "room_size", "senders", "warmup", "drain", "rounds", "transports"} {
		if yamlKeys(key)(b) || jsonKeys(key)(b) {
			n++
		}
	}
	return n >= 2
}

// all recognises what each of the functions recognises.
func all(each ...func(beginning) bool) func(beginning) bool {
	return func(b beginning) bool {
		return !slices.ContainsFunc(each, func(is func(beginning) bool) bool { return !is(b) })
	}
}

// keysOf returns the keys of the first object in a JSON text, which may be incomplete, and whether the
// object is in an array.
func keysOf(text string) (keys []string, array bool) {
	in := json.NewDecoder(strings.NewReader(text))
	token, err := in.Token()
	if token == json.Delim('[') {
		array = true
		token, err = in.Token()
	}
	if err != nil || token != json.Delim('{') {
		return nil, array
	}
	depth, isKey := 1, true
	for depth > 0 {
		token, err := in.Token()
		if err != nil {
			break
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			isKey = depth == 1
			continue
		}
		if depth > 1 {
			continue
		}
		if key, ok := token.(string); ok && isKey {
			keys = append(keys, key)
		}
		isKey = !isKey
	}
	return keys, array
}

// isTable returns true for two lines or more with the same number of separators.
func isTable(b beginning) bool {
	lines := strings.SplitN(b.text, "\n", 3)
	if len(lines) < 2 {
		return false
	}
	for _, separator := range []string{",", ";", "\t"} {
		if n := strings.Count(lines[0], separator); n > 0 && n == strings.Count(lines[1], separator) && !strings.Contains(lines[0], ": ") {
			return true
		}
	}
	return false
}
