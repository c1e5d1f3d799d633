package httpapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// API.md is held to the code: what it says must be so, and what is so must stand there.

func page(t *testing.T) string {
	text, err := os.ReadFile("API.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pageRoutes are the calls that API.md has a section on, and the text of each section.
func pageRoutes(t *testing.T) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(page(t), "\n### `")[1:] {
		head, text, _ := strings.Cut(part, "`\n")
		out[head], _, _ = strings.Cut(text, "\n## ")
	}
	return out
}

func TestThePageOfTheAPINamesEveryPathAndMethod(t *testing.T) {
	a, err := New(Options{Source: newKnown(t), Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	routes := pageRoutes(t)
	for function, handler := range map[string]fasthttp.RequestHandler{"Handler": a.Handler, "OpsHandler": a.OpsHandler} {
		for _, path := range pathsIn(t, function) {
			comparePath(t, path, handler, routes)
		}
	}
	for route := range routes {
		t.Errorf("API.md has a section on %s, which there is not", route)
	}
	for route, text := range pageRoutes(t) {
		if !strings.Contains(text, "$ curl -s") {
			t.Errorf("API.md has no example of %s", route)
		}
	}
}

// comparePath holds the methods that a path takes against the routes that are listed, and takes it out of them.
func comparePath(t *testing.T, path string, handler fasthttp.RequestHandler, listed map[string]string) {
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod(method)
		ctx.Request.SetRequestURI(strings.ReplaceAll(path, "{customer}", "acme"))
		handler(&ctx)
		_, stands := listed[method+" "+path]
		if serves := ctx.Response.StatusCode() != fasthttp.StatusMethodNotAllowed; serves != stands {
			t.Errorf("%s %s: served: %v, in API.md: %v", method, path, serves, stands)
		}
		delete(listed, method+" "+path)
	}
}

// pathsIn are the paths that a handler tells apart: every text in it that begins with a slash. Two in a row, the second
// an end, stand around a customer.
func pathsIn(t *testing.T, function string) (paths []string) {
	for _, file := range sources(t) {
		for n := range ast.Preorder(file) {
			if f, ok := n.(*ast.FuncDecl); ok && (f.Name.Name == function || function == "Handler" && f.Name.Name == "inside") {
				paths = append(paths, textsIn(f)...)
			}
		}
	}
	return joined(paths)
}

// joined puts what stands around a name in a path together: a text that ends with a slash, and one behind it if it is
// an end.
func joined(texts []string) (paths []string) {
	ends := []string{"/entitlements", "/commit", "/refund"}
	for i := 0; i < len(texts); i++ {
		path := texts[i]
		switch {
		case strings.HasSuffix(path, "/") && i+1 < len(texts) && slices.Contains(ends, texts[i+1]):
			path += "{id}" + texts[i+1]
			i++
		case strings.HasSuffix(path, "/"):
			path += "{id}"
		}
		paths = append(paths, strings.Replace(path, "/customers/{id}", "/customers/{customer}", 1))
	}
	return paths
}

func textsIn(f *ast.FuncDecl) (paths []string) {
	for n := range ast.Preorder(f) {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.HasPrefix(lit.Value, `"/`) {
			paths = append(paths, strings.Trim(lit.Value, `"`))
		}
	}
	return paths
}

func sources(t *testing.T) (files []*ast.File) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func TestThePageOfTheAPINamesEveryParameter(t *testing.T) {
	var named []string
	table, _, _ := strings.Cut(page(t), "## What is answered")
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(table, -1) {
		named = append(named, regexp.MustCompile(`[a-z_]+`).FindAllString(row[1], -1)...)
	}
	want := slices.Clone(fieldNames[:])
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(named, want) {
		t.Errorf("API.md names %v, a check takes %v", named, want)
	}
}

func TestThePageOfTheAPIListsEveryCode(t *testing.T) {
	listed, used := map[string][]string{}, map[string][]string{"bad_request": {"400"}}
	_, table, _ := strings.Cut(page(t), "## Codes")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9, ]+) \\|").FindAllStringSubmatch(table, -1) {
		listed[row[1]] = strings.Split(row[2], ", ")
	}
	for _, file := range sources(t) {
		for n := range ast.Preorder(file) {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				continue
			}
			code, err := strconv.Unquote(valueOf(lit, "code"))
			if status := valueOf(lit, "status"); err == nil && !slices.Contains(used[code], status) {
				used[code] = append(used[code], status)
				slices.Sort(used[code])
			}
		}
	}
	for code, statuses := range used {
		if !slices.Equal(listed[code], statuses) {
			t.Errorf("API.md lists %s with %v, it is answered with %v", code, listed[code], statuses)
		}
	}
	for code := range listed {
		if used[code] == nil {
			t.Errorf("API.md lists %s, which is never answered", code)
		}
	}
}

// valueOf is a literal in a struct, as it is written.
func valueOf(n *ast.CompositeLit, name string) string {
	for _, e := range n.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, isName := kv.Key.(*ast.Ident)
		if lit, ok := kv.Value.(*ast.BasicLit); ok && isName && key.Name == name {
			return lit.Value
		}
	}
	return ""
}
