package servers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/dialect/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every file must be on the list, be explained in README.md, and have a script that starts its server, unless it was
// never tried.
func TestNames(t *testing.T) {
	t.Setenv("MERCURE_TOKEN", "secret")
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(servers.Names(), strings.TrimSuffix(file, ".yaml")) {
			t.Errorf("%s is not on the list of Names", file)
		}
	}
	for _, name := range servers.Names() {
		d, err := servers.Find(name)
		if err != nil {
			t.Error(err)
			continue
		}
		about := d.About()
		if about.Name != name || about.Text == "" {
			t.Errorf("the dialect %s is about %+v", name, about)
		}
		if data, err := servers.Source(name); err != nil || !strings.Contains(string(data), "name: "+name+"\n") {
			t.Errorf("Source(%q): %.100q, %v", name, data, err)
		}
		_, err = os.Stat(filepath.Join("..", "..", "..", "testdata", "servers", name, "start.sh"))
		if tried := about.Untried == ""; tried != (err == nil) {
			t.Errorf("%s is tried: %t, but its start.sh: %v", name, tried, err)
		}
		var ways []string
		for _, way := range d.Ways() {
			ways = append(ways, way.Transport)
		}
		if row := "| " + about.Title + " | " + strings.Join(ways, ", ") + " |"; !strings.Contains(string(readme), row) {
			t.Errorf("README.md lacks the row %s", row)
		}
		if !strings.Contains(string(readme), "--against "+name+"=") {
			t.Errorf("README.md doesn't say how %s is measured", name)
		}
	}
}

func TestFindUnknown(t *testing.T) {
	_, err := servers.Find("nchn")
	if err == nil || err.Error() != `unknown dialect "nchn": did you mean "nchan"?` {
		t.Errorf("%v", err)
	}
	if _, err := servers.Source("../servers"); err == nil {
		t.Error("Source takes a path")
	}
}
