package main

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// An example is a command of the page of the sidecar's API, and what the page says that it answers.
type example struct{ command, answer string }

// pageExamples are the examples of the page, in order.
func pageExamples(t *testing.T) (out []example) {
	t.Helper()
	page, err := os.ReadFile("../../checker/httpapi/API.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?m)^\\$ (curl .*)\n((?:[^$`\n].*\n)+)")
	for _, m := range shown.FindAllStringSubmatch(string(page), -1) {
		out = append(out, example{m[1], strings.TrimSpace(m[2])})
	}
	if len(out) < 15 {
		t.Errorf("API.md has %d examples: is it read right?", len(out))
	}
	return out
}

// examplesOfThePageAreTrue runs them in order against a dev that was just started.
func examplesOfThePageAreTrue(t *testing.T, w *workshop) {
	p := w.run(t, anywhere("dev")...)
	at := strings.NewReplacer("http://127.0.0.1:7070", p.ready["check"], "http://127.0.0.1:7071", p.ready["ops"])
	var reserve, commit example
	for _, e := range pageExamples(t) {
		command := e.command
		if strings.Contains(command, "/v1/reservations ") {
			reserve = e
		}
		if strings.Contains(command, "/commit ") {
			commit = e
		}
		if strings.Contains(command, "$ID") {
			made := curled(t, at.Replace(reserve.command))
			id := regexp.MustCompile(`"reservation":"([^"]+)"`).FindStringSubmatch(made)
			if id == nil {
				t.Errorf("%s: got no reservation in %s", reserve.command, made)
				continue
			}
			named := strings.NewReplacer("$ID", id[1])
			if strings.Contains(command, "/refund") {
				curled(t, at.Replace(named.Replace(commit.command)))
			}
			command = named.Replace(command)
		}
		if got := curled(t, at.Replace(command)); !agrees(e.answer, got) {
			t.Errorf("%s\ngot  %s\nwant %s", e.command, got, e.answer)
		}
	}
	p.stop()
}

// curled is what a curl command prints: of its options those that the page uses. What is behind a pipe is left out.
func curled(t *testing.T, command string) string {
	t.Helper()
	command, _, _ = strings.Cut(command, " | ")
	var method, url, body string
	header, onlyStatus := http.Header{}, false
	words := shellWords(command)[1:]
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "-s":
		case "-X":
			i++
			method = words[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Set(name, value)
		case "-d":
			i++
			body = words[i]
		case "-o":
			i++
		case "-w":
			i++
			onlyStatus = true
		default:
			url = words[i]
		}
	}
	if body != "" {
		method = cmp.Or(method, http.MethodPost)
	}
	req, err := http.NewRequestWithContext(t.Context(), cmp.Or(method, http.MethodGet), url, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	req.Header = header
	return answerTo(t, req, onlyStatus)
}

func answerTo(t *testing.T, req *http.Request, onlyStatus bool) string {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if onlyStatus {
		return resp.Status[:3]
	}
	return strings.TrimSpace(string(data))
}

// shellWords are the words of a command, of which some stand in single quotes.
func shellWords(command string) (words []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1) {
		words = append(words, m[1]+m[2])
	}
	return words
}

// fleeting is what is another every time; state is that of a digest, which is looked at now and then.
var fleeting = regexp.MustCompile(`"(revision|age_ms|usage_age_ms|held|unseen_max|hub_head|applied_revision|version|` +
	`created|nonce|state|resets_at|reserved_until|reservation|retry_after_ms)":("[^"]*"|\d+)|granted"} \d+`)

// agrees tells whether an answer is what the page says, which may leave members out, or break off at a dot dot dot.
func agrees(page, got string) bool {
	page, got = fleeting.ReplaceAllString(page, `"$1":0`), fleeting.ReplaceAllString(got, `"$1":0`)
	var want, have any
	if json.Unmarshal([]byte(page), &want) == nil && json.Unmarshal([]byte(got), &have) == nil {
		return within(want, have)
	}
	begin, _, cut := strings.Cut(page, "…")
	return got == page || cut && strings.HasPrefix(got, begin) || strings.Contains(got, "\n"+page+"\n")
}

// within tells whether all that a document says is said by another one too.
func within(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		for key, value := range want {
			other, there := have[key]
			ok = ok && there && within(value, other)
		}
		return ok
	case []any:
		have, ok := have.([]any)
		if !ok || len(want) != len(have) {
			return false
		}
		for i := range want {
			ok = ok && within(want[i], have[i])
		}
		return ok
	}
	return reflect.DeepEqual(want, have)
}
