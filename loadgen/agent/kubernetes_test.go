package agent_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// kinds are the schemas of what kubernetes.yaml has, by kind.
var kinds = map[string]string{
	"Secret":     "io.k8s.api.core.v1.Secret",
	"Service":    "io.k8s.api.core.v1.Service",
	"Deployment": "io.k8s.api.apps.v1.Deployment",
	"Job":        "io.k8s.api.batch.v1.Job",
}

// checker returns what checks an object of Kubernetes against the schema of its kind.
func checker(t *testing.T) func(object any) error {
	t.Helper()
	const file = "testdata/kubernetes-1.30.json"
	compiler := jsonschema.NewCompiler()
	compiled := map[string]*jsonschema.Schema{}
	for kind, name := range kinds {
		schema, err := compiler.Compile(file + "#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		compiled[kind] = schema
	}
	return func(object any) error {
		kind, _ := object.(map[string]any)["kind"].(string)
		if compiled[kind] == nil {
			t.Fatalf("no schema of %q: add it to kinds", kind)
		}
		return compiled[kind].Validate(object)
	}
}

// objects returns what a file of Kubernetes has, as JSON has it.
func objects(t *testing.T, text string) (all []any) {
	t.Helper()
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var object any
		err := decoder.Decode(&object)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		spelled, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(spelled))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, plain)
	}
}

// TestKubernetes holds the example against the schemas of Kubernetes, which must find what is wrong with a mistyped one.
func TestKubernetes(t *testing.T) {
	source, err := os.ReadFile("kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	check := checker(t)
	all := objects(t, text)
	if len(all) != 5 {
		t.Errorf("%d objects, want 5", len(all))
	}
	for _, object := range all {
		if err := check(object); err != nil {
			t.Error(err)
		}
	}
	for right, wrong := range map[string]string{
		"parallelism: 6":       "paralellism: 6",
		"completions: 6":       "completions: six",
		"restartPolicy: Never": "restartPolicy: [Never]",
		"containerPort: 4222":  "containerPort: client",
		`cpu: "2"`:             `cpu: [2]`,
	} {
		mistyped := strings.Replace(text, right, wrong, 1)
		if mistyped == text {
			t.Fatalf("there is no %q", right)
		}
		found := false
		for _, object := range objects(t, mistyped) {
			found = found || check(object) != nil
		}
		if !found {
			t.Errorf("%q is not found", wrong)
		}
	}
}
