package checker

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// DESIGN.md is held to the code: its table has every reason, in order, and says which of them allow.

func TestThePageHasEveryReason(t *testing.T) {
	page, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "\n## Reasons\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(part, -1) {
		got = append(got, row[1]+" "+row[2])
	}
	for _, r := range Reasons() {
		answer := "denied"
		if r.Allows() {
			answer = "allowed"
		}
		want = append(want, r.String()+" "+answer)
	}
	if !slices.Equal(got, want) {
		t.Errorf("DESIGN.md has the reasons\n%v\nthe code has\n%v", got, want)
	}
}
