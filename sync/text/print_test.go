package text_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/bench/world"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/text"
)

// odd are texts that YAML would read as something else, or not at all, if they were not quoted.
func odd() []string {
	return []string{"", " ", "yes", "no", "true", "null", "~", "1", "-1", "1e3", "0x1F", "1_000", ".5", ".inf", "2027-01-31",
		"2027-01-31T00:00:00Z", "a: b", "a #b", "#", "- a", "-", "?", "[a]", "{a: b}", "<<", "=", "*a", "&a", "!a", "%a", "@a",
		"`a", "'", "\"", "a'b", "é", "日本", "\u00a0", "\u2028", "\u0085", "line\nline", "line\n", "\n", " lead", "trail ", "tab\t",
		"|", ">", "a,b", "12:30", "0o7", "\\", "😀", "\x7f", "\x01", "\ufeff", "---", "..."}
}

func randomNode(r *rand.Rand, depth int) catalog.Node {
	texts := odd()
	kinds := 6
	if depth > 4 {
		kinds = 4
	}
	n := catalog.Node{Kind: catalog.NodeKind(r.IntN(kinds))}
	switch n.Kind {
	case catalog.Bool:
		n.Text = strconv.FormatBool(r.IntN(2) == 0)
	case catalog.Number:
		n.Text = []string{"0", "-3", "1.5", "9007199254740993", "1e+30"}[r.IntN(5)]
	case catalog.Text:
		n.Text = texts[r.IntN(len(texts))]
	case catalog.List:
		for range r.IntN(4) {
			n.Items = append(n.Items, randomNode(r, depth+1))
		}
	case catalog.Map:
		for _, i := range r.Perm(len(texts))[:r.IntN(4)] {
			n.Fields = append(n.Fields, catalog.Field{Key: texts[i], Value: randomNode(r, depth+1)})
		}
	}
	return n
}

func TestWhatIsPrintedIsReadBackAsItWas(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20_000 {
		n := randomNode(r, 0)
		printed := text.Print(n)
		back, err := text.YAML(printed)
		if err != nil || string(back.JSON()) != string(n.JSON()) {
			t.Fatalf("seed %d: %s\nbecame %s\nand %s, %v", seed, n.JSON(), printed, back.JSON(), err)
		}
	}
}

func TestTheSampleCatalogueIsPrintedAsAPersonWouldWriteIt(t *testing.T) {
	n, err := text.YAML(world.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	printed := string(text.Print(n))
	for _, want := range []string{
		"features:\n  private-repos: {type: boolean, name: Private repositories}\n",
		"plans:\n  free:\n    name: Free\n    base: true\n    allow:\n      private-repos: true\n",
		"      ci-minutes: {limit: 2000, per: month, anchor: subscription, mode: hard}\n",
		"  sso-addon: {name: Single sign-on, allow: {sso: true}}\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("it has no %q:\n%s", want, printed)
		}
	}
}
