package catalog_test

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/text"
)

// CATALOGUE.md is held to the code: what it says must be so, and what is so must stand there.

func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("CATALOGUE.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// rows are the table of a section, by its first column.
func rows(t *testing.T, section string) map[string][]string {
	t.Helper()
	_, part, found := strings.Cut(page(t), "\n## "+section+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	out := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^|]+)` \\|(.*)\\|$").FindAllStringSubmatch(part, -1) {
		for _, cell := range strings.Split(m[2], "|") {
			out[m[1]] = append(out[m[1]], strings.TrimSpace(cell))
		}
	}
	if !found || len(out) == 0 {
		t.Fatalf("CATALOGUE.md has no table in a section %q", section)
	}
	return out
}

func read(t *testing.T, document string) error {
	t.Helper()
	n, err := text.YAML([]byte(document))
	if err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	_, err = catalog.ReadCatalogue(n)
	return err
}

// features are those of the catalogue that the page begins with, which its examples are of.
func features(t *testing.T) string {
	t.Helper()
	_, example, _ := strings.Cut(page(t), "```yaml\n")
	example, _, found := strings.Cut(example, "plans:\n")
	if !found {
		t.Fatal("CATALOGUE.md does not begin with a catalogue")
	}
	return example
}

// frames are where the keys and examples of each section stand in a catalogue: @ for an example, # for one key more.
var frames = map[string]struct{ example, key string }{
	"The document": {"{features: {sso: {type: boolean}}, @}", "{features: {}, #}"},
	"Features":     {"features: {@}", "features: {a: {type: pool, #}}"},
	"Plans":        {"+plans: {@}", "features: {}\nplans: {p: {allow: {}, #}}"},
	"Add-ons":      {"+addons: {@}", "features: {}\naddons: {p: {allow: {}, #}}"},
	"Allowances": {"+plans: {p: {allow: {@}}}",
		"features: {a: {type: metered}}\nplans: {p: {allow: {a: {limit: 1, per: day, #}}}}"},
}

// nested are the keys that hold a mapping of their own.
var nested = map[string]string{"when_stale": "after: 1h, ", "rollover": "max: 1, "}

func TestThePageOfTheCatalogueNamesEveryKey(t *testing.T) {
	for section, frame := range frames {
		want := known(t, frame.key, "")
		for _, key := range slices.Clone(want) {
			if more, ok := nested[key]; ok {
				inner := strings.Replace(frame.key, "#", key+": {"+more+"#}", 1)
				want = append(want, known(t, inner, key+".")...)
			}
		}
		if section == "Allowances" { // a value alone has a form of its own
			want = append(want, "value")
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(rows(t, section))); !slices.Equal(got, want) {
			t.Errorf("%s: CATALOGUE.md has the keys %v, the reader takes %v", section, got, want)
		}
	}
}

// known are the keys that the reader takes where # stands.
func known(t *testing.T, frame, prefix string) (keys []string) {
	t.Helper()
	err := read(t, strings.Replace(frame, "#", "zzzzzzzzzzzz: 1", 1))
	var faults catalog.Faults
	if !errors.As(err, &faults) || len(faults) != 1 {
		t.Fatalf("%s: got %v, want one fault", frame, err)
	}
	list, _ := strings.CutPrefix(faults[0].Remedy, "known here: ")
	for _, key := range strings.Split(list, ", ") {
		keys = append(keys, prefix+key)
	}
	return keys
}

func TestThePageOfTheCatalogueNamesEveryWord(t *testing.T) {
	words := 0
	for section, frame := range frames {
		for key, cells := range rows(t, section) {
			all := wordsOf(t, frame.key, key)
			words += len(all)
			if word := missing(strings.Join(cells, " "), all); word != "" {
				t.Errorf("%s: CATALOGUE.md does not name %s for %s", section, word, key)
			}
		}
	}
	if words < 28 {
		t.Errorf("%d words were looked for: are the faults read right?", words)
	}
}

// missing is the first word that a line does not have as code; empty if it has all.
func missing(line string, words []string) string {
	for _, word := range words {
		if !strings.Contains(line, "`"+word+"`") {
			return word
		}
	}
	return ""
}

// wordsOf are the words that a key takes, if it takes words.
func wordsOf(t *testing.T, frame, key string) []string {
	t.Helper()
	wrong := key + ": zzzzzz"
	if outer, inner, ok := strings.Cut(key, "."); ok {
		wrong = outer + ": {" + nested[outer] + inner + ": zzzzzz}"
		if strings.Contains(nested[outer], inner+":") {
			return nil // a quantity or a duration
		}
	}
	bare := strings.NewReplacer("type: pool, ", "", "limit: 1, per: day, ", "", "features: {}, ", "",
		"allow: {}, ", "", "#", wrong)
	var faults catalog.Faults
	if !errors.As(read(t, bare.Replace(frame)), &faults) {
		return nil
	}
	for _, f := range faults {
		if list, ok := strings.CutPrefix(f.Remedy, "one of "); ok && strings.HasSuffix(f.Path, key) {
			return strings.Split(list, ", ")
		}
	}
	return nil
}

func TestTheExamplesOfThePageAreReadWithoutAFault(t *testing.T) {
	for section, frame := range frames {
		base, whole := "", frame.example
		if rest, ok := strings.CutPrefix(whole, "+"); ok {
			base, whole = features(t), rest
		}
		for key, cells := range rows(t, section) {
			example := strings.Trim(cells[len(cells)-1], "`")
			last := key[strings.LastIndex(key, ".")+1:]
			if !strings.Contains(example, last+":") {
				t.Errorf("%s: the example of %s, %s, does not show it", section, key, example)
			}
			document := base + strings.Replace(whole, "@", example, 1)
			if section == "The document" && key == "features" {
				document = example
			}
			if err := read(t, document); err != nil {
				t.Errorf("%s: the example of %s has faults: %v", section, key, err)
			}
		}
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	for _, block := range blocks {
		if err := read(t, block[1]); err != nil {
			t.Errorf("got %v in\n%s", err, block[1])
		}
	}
}

func TestTheFaultsOfThePageAreToldAsTheyStandThere(t *testing.T) {
	for document, cells := range rows(t, "What goes wrong") {
		var faults catalog.Faults
		if err := read(t, document); !errors.As(err, &faults) || len(faults) != 1 {
			t.Errorf("%s: got %v, want one fault", document, err)
			continue
		}
		faults[0].Line = 0
		if got := faults[0].Error(); got != cells[0] {
			t.Errorf("%s\ngot  %s\nwant %s", document, got, cells[0])
		}
	}
}
