package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namesInReadme are the tests, make targets and files that a README names.
func namesInReadme(text string) (tests, targets, links []string) {
	find := func(pattern string) (out []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
		return out
	}
	return find("`(Test[A-Za-z0-9]+)`"), find("make ([a-z]+)"), find(`\]\(([^)]+)\)`)
}

func TestHouseReadmeNamesOnlyWhatThereIs(t *testing.T) {
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		code.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tests, targets, links := namesInReadme(string(readme))
	if len(tests) < 20 || len(targets) < 5 || len(links) < 8 {
		t.Errorf("the README names %d tests, %d targets, %d files: is it read right?", len(tests), len(targets), len(links))
	}
	for _, name := range tests {
		if !strings.Contains(code.String(), "func "+name+"(") {
			t.Errorf("README.md names a test that is not there: %s", name)
		}
	}
	for _, name := range targets {
		if !strings.Contains(string(makefile), "\n"+name+":") {
			t.Errorf("README.md names a make target that is not there: %s", name)
		}
	}
	for _, name := range links {
		if !isThere(root, name) {
			t.Errorf("README.md links to what is not there: %s", name)
		}
	}
}

// isThere tells whether there is what a link names: a file, or a heading in one.
func isThere(root, link string) bool {
	name, anchor, deep := strings.Cut(link, "#")
	if _, err := os.Stat(filepath.Join(root, name)); err != nil || !deep {
		return err == nil
	}
	text, err := os.ReadFile(filepath.Join(root, name))
	heading := strings.ReplaceAll(regexp.QuoteMeta(anchor), "-", "[ -]")
	return err == nil && regexp.MustCompile(`(?im)^#+ `+heading+`$`).Match(text)
}
