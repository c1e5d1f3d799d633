package hub

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// Limits on requests.
const (
	maxBody     = 10 << 20
	bodyTimeout = 60 * time.Second
	maxKey      = 255 // bytes of an Idempotency-Key
)

// A call is one request on its way through the hub.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	who  token
	body []byte // once read
}

// id is a name from the path.
func (c *call) id(name string) (string, error) {
	id := c.name(name)
	if err := catalog.ValidID(id); err != nil {
		return "", badRequest("{%s} in the path %s", name, err.Error())
	}
	return id, nil
}

// name is a name from the path as it stands there.
func (c *call) name(name string) string { return strings.TrimPrefix(c.r.PathValue(name), "\x00") } // see guarded

// read takes the body in, up to the limit.
func (c *call) read() error {
	deadline := http.NewResponseController(c.w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer has one
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var big *http.MaxBytesError
	if err != nil && !errors.As(err, &big) {
		return badRequest("the body could not be read whole")
	}
	_ = deadline.SetReadDeadline(time.Time{})
	c.body = body
	return err
}

// json reads the body as a JSON document. Fields in ignore may stand in it, as an answer holds them.
func (c *call) json(ignore ...string) (catalog.Node, error) {
	if err := c.read(); err != nil {
		return catalog.Node{}, err
	}
	n, err := catalog.ParseJSON(c.body)
	if err != nil {
		return n, err
	}
	kept := n.Fields[:0:0]
	for _, f := range n.Fields {
		if !contains(ignore, f.Key) {
			kept = append(kept, f)
		}
	}
	n.Fields = kept
	return n, nil
}

// optionalJSON is json for a body that may be left out.
func (c *call) optionalJSON() (catalog.Node, error) {
	if err := c.read(); err != nil {
		return catalog.Node{}, err
	}
	if len(strings.TrimSpace(string(c.body))) == 0 {
		return catalog.Node{Kind: catalog.Map}, nil
	}
	return catalog.ParseJSON(c.body)
}

// readFields reads a document field by field. The error is catalog.Faults; for a body that is no document it names an
// example.
func readFields(n catalog.Node, example string, field func(key string, n catalog.Node) error) error {
	if n.Kind != catalog.Map {
		return catalog.Faults{{Problem: "it must be a mapping", Remedy: "such as " + example}}
	}
	var faults catalog.Faults
	for _, f := range n.Fields {
		if err := field(f.Key, f.Value); err != nil {
			faults = append(faults, faultOf(f, err))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// truth reads true or false.
func truth(n catalog.Node) (bool, error) {
	if n.Kind != catalog.Bool {
		return false, fmt.Errorf("it must be true or false, not %s", n.Kind)
	}
	return n.Text == "true", nil
}

// shortText reads a text for people.
func shortText(n catalog.Node) (string, error) {
	if n.Kind != catalog.Text || len(n.Text) > 256 {
		return "", errors.New("it must be a text of at most 256 bytes")
	}
	return n.Text, nil
}

// faultOf is what is wrong with a field, from an error that may be a fault without a path.
func faultOf(f catalog.Field, err error) catalog.Fault {
	var fault catalog.Fault
	if !errors.As(err, &fault) {
		fault.Problem = err.Error()
	}
	fault.Path, fault.Line = f.Key, f.Line
	return fault
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// query refuses parameters that are not known, so that a typing error does not go unseen.
func (c *call) query(known []string) error {
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badRequest("the query is not one: %s; percent-encode what stands in a parameter", err.Error())
	}
	for name, values := range given {
		switch {
		case !contains(known, name):
			return badRequest("the query parameter %q is not known here; this call takes: %s", name, orNone(quoted(known)))
		case len(values) > 1:
			return badRequest("the query parameter %s stands twice; keep one of them", name)
		}
	}
	return nil
}

// flag reads a query parameter that is true or false; what is not there is false.
func (c *call) flag(name string) (bool, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, catalog.Faults{{Path: name, Problem: "it must be true or false"}}
	}
	return v, nil
}

// answer writes a JSON document.
func (c *call) answer(v any) error { return c.answerAs(http.StatusOK, v) }

// answerAs is answer with a status.
func (c *call) answerAs(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Cache-Control", "no-store")
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(append(data, '\n')) // a caller that is gone is not told
	return nil
}

// document answers a document at a revision, or that the caller has it already.
func (c *call) document(rev uint64, v any) error {
	tag := etag(rev)
	c.w.Header().Set("ETag", tag)
	if match := c.r.Header.Get("If-None-Match"); match != "" && matches(match, tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.answer(v)
}

// wrote answers a write.
func (c *call) wrote(rev uint64) error {
	return c.wroteAs(rev, struct {
		Revision uint64 `json:"revision"`
	}{rev})
}

// wroteAs answers a write with more than its revision.
func (c *call) wroteAs(rev uint64, v any) error {
	c.w.Header().Set("ETag", etag(rev))
	return c.answer(v)
}

// wroteOne answers a write of something that has an id.
func (c *call) wroteOne(id string, rev uint64) error { return c.wroteToken(id, rev, "") }

func etag(rev uint64) string { return `"` + strconv.FormatUint(rev, 10) + `"` }

// matches tells whether a list of entity tags, or a star, has one.
func matches(list, tag string) bool {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == "*" || part == tag || `"`+part+`"` == tag {
			return true
		}
	}
	return false
}

// precondition holds If-Match and If-None-Match against a document; rev 0: there is none.
func (c *call) precondition(rev uint64) error {
	match := c.r.Header.Get("If-Match")
	if match != "" && rev == 0 {
		return refuse(http.StatusPreconditionFailed, "revision_mismatch",
			"the document does not exist; leave If-Match out to make it")
	}
	if match != "" && !matches(match, etag(rev)) {
		return refuse(http.StatusPreconditionFailed, "revision_mismatch",
			"the document is at revision %d, not at %s; read it again and repeat the change", rev, match)
	}
	if none := c.r.Header.Get("If-None-Match"); none != "" && rev != 0 && matches(none, etag(rev)) {
		return refuse(http.StatusPreconditionFailed, "already_exists",
			"the document exists, at revision %d; leave If-None-Match out to replace it", rev)
	}
	return nil
}

// A command is what a write is remembered by.
type command struct {
	id    replica.CommandID
	keyed bool // the caller gave the key
}

// command names the write. The body must have been read.
func (c *call) command() (command, error) {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" {
		return command{id: counting.NewCommand()}, nil
	}
	if len(key) > maxKey || !utf8.ValidString(key) {
		return command{}, badRequest("the Idempotency-Key must be UTF-8 of at most %d bytes", maxKey)
	}
	who := sha256.Sum256([]byte(c.who.ID + "\x00" + key))
	what := sha256.Sum256([]byte(c.r.Method + "\x00" + c.r.URL.RequestURI() + "\x00" + string(c.body)))
	id := replica.CommandID(append(who[:8:8], what[:8]...))
	return command{id, true}, nil
}

// done looks for the command among those that a document remembers. The error says that the key was used for
// something else.
func (cmd command) done(ring []replica.Command) (rev uint64, ok bool, err error) {
	if rev, ok := replica.Find(ring, cmd.id); ok {
		return rev, true, nil
	}
	for _, old := range ring {
		if cmd.keyed && [8]byte(old.ID[:8]) == [8]byte(cmd.id[:8]) {
			return 0, false, refuse(http.StatusUnprocessableEntity, "idempotency_key_reused",
				"this Idempotency-Key was used for another request; choose a new one")
		}
	}
	return 0, false, nil
}

func orNone(list string) string {
	if list == "" {
		return "none"
	}
	return list
}

// notAList says that a field was given something else.
func notAList(n catalog.Node) error {
	return fmt.Errorf("it must be a list such as [\"a\", \"b\"], not %s", n.Kind)
}
