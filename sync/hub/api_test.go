package hub

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
)

// API.md is held to the code: what it says must be so, and what is so must stand there.

// apiSections are the parts of API.md by what heads them: a route, or a name.
func apiSections(t *testing.T) map[string]string {
	page, err := os.ReadFile("API.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^###? `).Split(string(page), -1)[1:] {
		head, text, _ := strings.Cut(part, "\n")
		out[strings.Trim(head, "`")] = text
	}
	return out
}

func TestThePageOfTheAPINamesEveryRouteWithItsScopesAndParameters(t *testing.T) {
	sections := apiSections(t)
	routes := (&Hub{}).routes()
	for _, probe := range []string{"GET /livez", "GET /startupz", "GET /readyz", "GET /metrics"} {
		routes = append(routes, route{pattern: probe, access: readEntitlements})
	}
	known := map[string]bool{}
	for _, r := range routes {
		known[r.pattern] = true
		text, ok := sections[r.pattern]
		if !ok {
			t.Errorf("API.md has no section on %s", r.pattern)
			continue
		}
		scopes := regexp.MustCompile(`Scopes?: ([a-z, \n]+)\.`).FindStringSubmatch(text)
		isProbe := r.handle == nil
		if !isProbe && (scopes == nil || strings.Join(strings.Fields(scopes[1]), " ") != scopesFor(r.access)) {
			t.Errorf("%s: API.md says the scopes are %q, they are %s", r.pattern, scopes, scopesFor(r.access))
		}
		if !isProbe && !strings.Contains(text, "curl -s") {
			t.Errorf("%s: API.md has no example", r.pattern)
		}
		for _, name := range strings.Fields(r.query) {
			if !regexp.MustCompile("`" + name + "[`=]").MatchString(text) {
				t.Errorf("%s: API.md does not name the parameter %s", r.pattern, name)
			}
		}
	}
	for head := range sections {
		if strings.Contains(head, " /") && !known[head] {
			t.Errorf("API.md has a section on %s, which there is not", head)
		}
	}
}

func TestThePageOfTheAPINamesEveryActionAndField(t *testing.T) {
	sections := apiSections(t)
	var actions, fields []string
	row := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|")
	for _, m := range row.FindAllStringSubmatch(sections["POST /v1/customers/{id}/subscriptions/{sub}/{action}"], -1) {
		actions = append(actions, m[1])
		if _, err := readAction(m[1], catalog.Node{Kind: catalog.Map}); err != nil && problemOf(err).Code == "not_found" {
			t.Errorf("API.md names the action %s, which there is not", m[1])
		}
	}
	_, err := readAction("?", catalog.Node{})
	_, there, _ := strings.Cut(err.Error(), "there are ")
	for _, name := range regexp.MustCompile(`[a-z]{5,}`).FindAllString(there, -1) {
		if !slices.Contains(actions, name) {
			t.Errorf("API.md does not name the action %s", name)
		}
	}
	text, _, _ := strings.Cut(sections["PUT /v1/customers/{id}/subscriptions/{sub}"], "```")
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(text, -1) {
		fields = append(fields, regexp.MustCompile(`[a-z_]+`).FindAllString(m[1], -1)...)
	}
	unknown := catalog.Node{Kind: catalog.Map, Fields: []catalog.Field{{Key: "zzzzzzzzzzzz"}}}
	_, err = catalog.ReadSubscription(unknown, time.Time{})
	_, names, _ := strings.Cut(err.Error(), "known here: ")
	names, _, _ = strings.Cut(names, ")")
	slices.Sort(fields)
	if want := strings.Join(fields, ", "); names != want {
		t.Errorf("API.md has the fields\n%s of a subscription, which has\n%s", want, names)
	}
}

func TestThePageOfTheAPIListsEveryCode(t *testing.T) {
	listed := map[string][]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9, ]+) \\|").
		FindAllStringSubmatch(apiSections(t)["Codes"], -1) {
		for _, text := range strings.Split(m[2], ", ") {
			status, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			listed[m[1]] = append(listed[m[1]], status)
		}
	}
	used := usedCodes(t)
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

// usedCodes are the codes that stand in this package's code, with their statuses in order.
func usedCodes(t *testing.T) map[string][]int {
	out := map[string][]int{}
	add := func(code string, status int) {
		if !slices.Contains(out[code], status) {
			out[code] = append(out[code], status)
			slices.Sort(out[code])
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for n := range ast.Preorder(file) {
			nodeCodes(n, add)
		}
	}
	return out
}

// nodeCodes finds the code that a problem is made with.
func nodeCodes(n ast.Node, add func(code string, status int)) {
	var code ast.Expr
	status := http.StatusBadRequest
	switch n := n.(type) {
	case *ast.CompositeLit:
		code, status = fieldOf(n, "Code"), statusOf(fieldOf(n, "Status"))
	case *ast.CallExpr:
		name, ok := n.Fun.(*ast.Ident)
		switch {
		case ok && name.Name == "refuse":
			code, status = n.Args[1], statusOf(n.Args[0])
		case ok && name.Name == "invalid":
			code = n.Args[0]
		}
	}
	if text, ok := literal(code); ok {
		add(text, status)
	}
}

func fieldOf(n *ast.CompositeLit, name string) ast.Expr {
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == name {
				return kv.Value
			}
		}
	}
	return nil
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// statusOf is the number of an http.Status… constant.
func statusOf(e ast.Expr) int {
	sel, ok := e.(*ast.SelectorExpr)
	for status := 400; ok && status < 600; status++ {
		if "Status"+strings.NewReplacer(" ", "", "-", "").Replace(http.StatusText(status)) == sel.Sel.Name {
			return status
		}
	}
	return 0
}
