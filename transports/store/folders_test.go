package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every folder that holds a store, which is a package in which something has a method After, is on the
// list, and its tests run the suite.
func TestFolders(t *testing.T) {
	listed := importsOf(t, "store.go")
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	stores, suites := map[string]bool{}, map[string]bool{}
	for _, path := range files {
		folder := filepath.Dir(path)
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		test := strings.HasSuffix(path, "_test.go")
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if !test && n.Recv != nil && n.Name.Name == "After" {
					stores[folder] = true
				}
			case *ast.CompositeLit:
				if of, ok := n.Type.(*ast.SelectorExpr); ok && test && of.Sel.Name == "Suite" {
					suites[folder] = true
				}
			}
			return true
		})
	}
	if len(stores) == 0 {
		t.Error("there is no store at all")
	}
	for folder := range stores {
		if !slices.Contains(listed, "pushpull/transports/store/"+folder) {
			t.Errorf("the store in %s is not on the list", folder)
		}
		if !suites[folder] {
			t.Errorf("no test of %s runs storetest.Suite", folder)
		}
	}
}

// importsOf returns what a file of this package imports.
func importsOf(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		all = append(all, imported)
	}
	return all
}
