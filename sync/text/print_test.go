package text_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/text"
)

// odd are texts that YAML would read as something else, or not at all, if they were not quoted.
func odd() []string {
	return []string{"", " ", "yes", "no", "true", "null", "~", "1", "-1", "1e3", "0x1F", "1_000", ".5", ".inf", "0o7",
		"2027-01-31", "2027-01-31T00:00:00Z", "12:30", "a: b", "a #b", "#", "- a", "-", "?", "[a]", "{a: b}", "<<", "=",
		"*a", "&a", "!a", "%a", "@a", "`a", "'", "\"", "a'b", "é", "日本", "\u00a0", "\u2028", "\u0085", "😀", "\ufeff",
		"line\nline", "line\n", "\n", " lead", "trail ", "tab\t", "|", ">", "a,b", "\\", "\x7f", "\x01", "---", "..."}
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

func TestACatalogueIsPrintedAsAPersonWouldWriteIt(t *testing.T) {
	const want = `features:
  sso: {type: boolean, name: SAML single sign-on}
  ci-minutes: {type: metered, name: CI minutes, unit: minute}
plans:
  free:
    name: Free
    base: true
    allow:
      sso: false
      ci-minutes: {limit: 2000, per: month, anchor: subscription, warn: [80, 90, 100], overdraft: 5}
addons:
  sso-addon: {name: Single sign-on, allow: {sso: true}}
`
	n, err := text.YAML([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text.Print(n)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
