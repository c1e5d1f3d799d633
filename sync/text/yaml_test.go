package text

import (
	"os"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/checker/catalog"
)

func TestTheSampleCatalogueReads(t *testing.T) {
	data, err := os.ReadFile("testdata/forge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := YAML(data)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.ReadCatalogue(n)
	if err != nil {
		t.Fatal(err)
	}
	minutes := c.Plans["team"].Allow["ci-minutes"].Limit
	if len(c.Features) != 20 || len(c.Plans) != 3 || len(c.Addons) != 4 || minutes != 3000 {
		t.Errorf("got %d features, %d plans, %d add-ons", len(c.Features), len(c.Plans), len(c.Addons))
	}
}

func TestFaultsCarryTheirLine(t *testing.T) {
	doc := "features:\n  sso: {type: boolean}\nplans:\n  team:\n    allow:\n      sso: true\n      calls: {limit: 5}\n"
	n, err := YAML([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	_, err = catalog.ReadCatalogue(n)
	if err == nil || !strings.Contains(err.Error(), "line 7: plans.team.allow.calls") {
		t.Errorf("got %v", err)
	}
}

func TestCarelessYAMLIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"a tab first":         {"\ta: 1\n", "line 1: it is not YAML: found character that cannot start any token (indent"},
		"a tab later":         {"a: 1\nb:\n\t- 1\n", "line 3: it is not YAML: found character that cannot start any"},
		"a tab after blanks":  {"a: 1\n\n\n\tb\n", "line 4: it is not YAML: found a tab character that violates"},
		"an error first":      {"a: b: c\n", "line 1: it is not YAML"},
		"a key twice":         {"a: 1\nb: 2\na: 3\n", "line 3: a: this key stands twice"},
		"two documents":       {"a: 1\n---\nb: 2\n", "second document"},
		"nothing":             {"", "empty"},
		"only a comment":      {"# nothing\n", "empty"},
		"a tag":               {"a: !!binary aGk=\n", "the tag !!binary is not taken"},
		"a tagged mapping":    {"a: !thing {b: 1}\n", "the tag !thing is not taken"},
		"a tagged list":       {"a: !!set [b]\n", "the tag !!set is not taken"},
		"a tagged key":        {"!thing a: 1\n", "the tag !thing is not taken"},
		"too many parts":      {"a: [" + strings.Repeat("1,", 1_000_000) + "1]\n", "more than 1000000 parts"},
		"no number":           {"a: .inf\n", "is not a number"},
		"a merge":             {"a: &x {b: 1}\nc: {<<: *x}\n", "a key must be a plain text"},
		"broken":              {"a: [1\n", "it is not YAML"},
		"deep":                {strings.Repeat("[", 10_000), "deeper than 64"},
		"deep by indentation": {deepBlock(), "deeper than 64"},
		"an endless alias":    {"a: &x [*x]\n", "deeper than 64"},
		"a billion laughs":    {laughs(), "more than 1000000 parts"},
		"invalid UTF-8":       {"a: \xff\n", "not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := YAML([]byte(tc.doc))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func deepBlock() string {
	var b strings.Builder
	for i := range 100 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func laughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 10; i++ {
		p, n := string(rune('0'+i-1)), string(rune('0'+i))
		b.WriteString("a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 10), ",") + "]\n")
	}
	return b.String()
}

func TestScalarsKeepTheirMeaning(t *testing.T) {
	n, err := YAML([]byte("[0x10, 1_000, 1e3, True, 2026-01-02, ~, '5', yes]"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(n.JSON()); got != `[16,1000,1000,true,"2026-01-02",null,"5","yes"]` {
		t.Errorf("got %s", got)
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("features:\n  sso: {type: boolean}\n"))
	f.Add([]byte("a: &x [1]\nb: *x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := YAML(data)
		if err != nil {
			return
		}
		if _, err := catalog.ParseJSON(n.JSON()); err != nil {
			t.Fatalf("%q became %s: %v", data, n.JSON(), err)
		}
		_, _ = catalog.ReadCatalogue(n)
	})
}
