package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Fault is one thing that is wrong with a document.
type Fault struct {
	Path    string `json:"path,omitempty"` // such as plans.team.allow.ci-minutes.per; empty: the whole document
	Line    int    `json:"line,omitempty"` // from 1; 0: unknown
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

// Error is the fault in one line.
func (f Fault) Error() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", f.Line)
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Problem)
	if f.Remedy != "" {
		b.WriteString(" (" + f.Remedy + ")")
	}
	return b.String()
}

// Faults is everything that is wrong with a document, as an error.
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// maxFaults is how many faults are listed before the rest is only counted.
const maxFaults = 200

// A finder collects faults while a document is read.
type finder struct {
	now     time.Time        // what a missing start time is
	order   map[string][]int // changes by their path: which one of the source stands at each place once sorted
	faults  Faults
	further int
}

func (r *finder) fail(path string, line int, problem, remedy string) {
	if len(r.faults) == maxFaults {
		r.further++
		return
	}
	r.faults = append(r.faults, Fault{path, line, problem, remedy})
}

// blame notes what a reader of texts found wrong; remedy is for an error that has none.
func (r *finder) blame(path string, line int, err error, remedy string) {
	var f Fault
	if !errors.As(err, &f) {
		f = Fault{Problem: err.Error(), Remedy: remedy}
	}
	r.fail(path, line, f.Problem, f.Remedy)
}

// found is nil or the Faults, each with the line that it has in the source.
func (r *finder) found(n Node) error {
	r.faults.Locate(n)
	return r.result()
}

// Locate gives each fault without a line the one that its path, or the nearest above it, has in a document.
func (f Faults) Locate(n Node) {
	var lines map[string]int
	for i := range f {
		if f[i].Line > 0 {
			continue
		}
		if lines == nil {
			lines = map[string]int{}
			n.lines("", lines)
		}
		at := f[i].Path
		for at != "" && lines[at] == 0 {
			at = at[:max(0, strings.LastIndexAny(at, ".["))]
		}
		f[i].Line = lines[at]
	}
}

// lines notes where each path stands.
func (n *Node) lines(path string, into map[string]int) {
	into[path] = n.Line
	for _, f := range n.Fields {
		at := Join(path, f.Key)
		f.Value.lines(at, into)
		into[at] = f.Line
	}
	for i := range n.Items {
		n.Items[i].lines(fmt.Sprintf("%s[%d]", path, i), into)
	}
}

// result is nil or the Faults.
func (r *finder) result() error {
	if len(r.faults) == 0 {
		return nil
	}
	if r.further > 0 {
		return append(r.faults, Fault{Problem: fmt.Sprintf("and %d more faults", r.further)})
	}
	return r.faults
}

// A fields table says how each key of a mapping is read.
type fields map[string]func(n Node, path string)

// mapping reads a Map by its keys. Unknown keys are faults that name the nearest known one.
func (r *finder) mapping(n Node, path string, known fields) {
	if n.Kind != Map {
		r.wrong(n, path, "a mapping")
		return
	}
	for _, f := range n.Fields {
		read, ok := known[f.Key]
		if !ok {
			r.unknown(f, path, known)
			continue
		}
		read(f.Value, Join(path, f.Key))
	}
}

func (r *finder) unknown(f Field, path string, known fields) {
	keys := make([]string, 0, len(known))
	for key := range known {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	remedy := "known here: " + strings.Join(keys, ", ")
	if near := r.nearest(f.Key, keys); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	r.fail(Join(path, f.Key), f.Line, "this field is not known", remedy)
}

// entries reads a Map whose keys are ids.
func (r *finder) entries(n Node, path string, each func(key string, n Node, path string)) {
	if n.Kind == Null {
		return
	}
	if n.Kind != Map {
		r.wrong(n, path, "a mapping")
		return
	}
	for _, f := range n.Fields {
		at := Join(path, f.Key)
		if err := ValidID(f.Key); err != nil {
			r.fail(at, f.Line, "the key "+err.Error(), "choose another key")
			continue
		}
		each(f.Key, f.Value, at)
	}
}

func (r *finder) wrong(n Node, path, want string) {
	r.fail(path, n.Line, fmt.Sprintf("it must be %s, not %s", want, n.Kind), "")
}

// under is a path that continues another.
func under(path, rest string) string {
	switch {
	case path == "":
		return rest
	case rest == "" || rest[0] == '[':
		return path + rest
	}
	return path + "." + rest
}

// idRemedy says what ids are, to whom ValidID refuses one.
const idRemedy = "1 to 256 bytes of UTF-8 without control characters"

// ValidID tells whether id may name a customer, a subscription, a feature, a plan or an item: 1 to 256 bytes of UTF-8
// without control characters. The error reads on from a name: "id has …".
func ValidID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("is empty")
	case len(id) > 256:
		return fmt.Errorf("has %d bytes, at most 256 are allowed", len(id))
	case !utf8.ValidString(id):
		return fmt.Errorf("is not valid UTF-8")
	}
	for _, c := range id {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return fmt.Errorf("has a control character")
		}
	}
	return nil
}

// manyFaults is from how many faults on no more remedies are searched for.
const manyFaults = 50

// nearest is Nearest, as long as there are not too many faults already.
func (r *finder) nearest(word string, among []string) string {
	if len(r.faults) > manyFaults {
		return ""
	}
	return Nearest(word, among)
}

// Nearest finds the word that differs least from a mistyped one; empty if none is near.
func Nearest(word string, among []string) string {
	best, found := 1+len(word)/3, ""
	for _, candidate := range among {
		if d := distance(word, candidate); d <= best && (found == "" || d < best) {
			best, found = d, candidate
		}
	}
	return found
}

// distance counts the letters to change, add or drop between two words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
