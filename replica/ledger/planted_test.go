package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A bug is a rule that is taken out of the sources, or a mistake that is put in: the text stands in the file once.
type bug struct{ rule, file, old, text string }

// judges are the tests that have to find a planted bug, quickest first.
var judges = []string{"tables", "histories", "explorer"}

func judge(name string) []string {
	switch name {
	case "histories":
		return []string{"-test.run", "Histories"}
	case "explorer":
		return []string{"-test.run", "Explorer"}
	}
	return []string{"-test.skip", "Explorer|Histories|Planted|Fuzz"}
}

// TestPlantedBugsAreFound plants each of a list of bugs and wants a test to fail. A few in go test; all of them with
// SIDEGATE_PLANT=first, and by which tests each is found with SIDEGATE_PLANT=all (make plant).
func TestPlantedBugsAreFound(t *testing.T) {
	how := os.Getenv("SIDEGATE_PLANT")
	if underRace || testing.Short() {
		t.Skip("it builds the package many times")
	}
	list, found, caught, began := bugs(), map[string]int{}, 0, time.Now()
	for i, b := range list {
		source := planted(t, b)
		if how == "" && i%50 != 0 {
			continue
		}
		bin := build(t, b, source)
		if bin == "" {
			continue
		}
		by, missed := verdicts(bin, how == "all")
		for _, name := range by {
			found[name]++
		}
		if len(by) == 0 {
			t.Errorf("%s: nothing fails without it\n%s", b.rule, missed)
			continue
		}
		caught++
		t.Logf("%-80s %s", b.rule, strings.Join(by, ", "))
	}
	t.Logf("%d of %d bugs found, by %v, in %.0f s", caught, len(list), found, time.Since(began).Seconds())
}

// planted is a file with a bug in it.
func planted(t *testing.T, b bug) string {
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), b.old); n != 1 {
		t.Fatalf("%s: %s has %q %d times, not once", b.rule, b.file, b.old, n)
	}
	return strings.Replace(string(text), b.old, b.text, 1)
}

// build makes the package's tests with a file replaced.
func build(t *testing.T, b bug, source string) string {
	dir := t.TempDir()
	here, err := filepath.Abs(b.file)
	if err != nil {
		t.Fatal(err)
	}
	there, overlay, bin := filepath.Join(dir, b.file), filepath.Join(dir, "overlay"), filepath.Join(dir, "ledger.test")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{here: there}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{there: source, overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", b.rule, err, out)
		return ""
	}
	return bin
}

// verdicts are the tests that found a bug; if not all are asked, the first.
func verdicts(bin string, all bool) (by []string, missed string) {
	for _, name := range judges {
		c := exec.Command(bin, append(judge(name), "-test.failfast", "-test.timeout", "100s")...)
		c.Env = append(os.Environ(), "SIDEGATE_EXPLORE=quick", "SIDEGATE_HISTORIES=", "SIDEGATE_SEED=1")
		out, err := c.CombinedOutput()
		if err != nil {
			by = append(by, name)
		}
		missed += fmt.Sprintf("%s: %s\n", name, out)
		if err != nil && !all {
			break
		}
	}
	return by, missed
}
