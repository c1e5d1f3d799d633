package httpapi

import (
	"strings"
	"testing"
)

const oneEvent = `{"specversion":"1.0","id":"1","source":"ci","type":"calls","subject":"acme","data":{"quantity":7}}`

// headersOf are those of an event that is sent in a mode.
func headersOf(m mode) map[string]string {
	switch m {
	case structured:
		return map[string]string{"Content-Type": "application/cloudevents+json"}
	case batched:
		return map[string]string{"Content-Type": "application/cloudevents-batch+json"}
	}
	return map[string]string{"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "ci",
		"ce-type": "calls", "ce-subject": "acme"}
}

func TestWhatIsWrongWithAnEventIsNamedWhereItStands(t *testing.T) {
	without := func(part string) string { return strings.Replace(oneEvent, part, "", 1) }
	instead := func(old, part string) string { return strings.Replace(oneEvent, old, part, 1) }
	const id, acme, calls, data = `"id":"1",`, `"acme"`, `"calls"`, `"data":{"quantity":7}`
	for name, tc := range map[string]struct {
		mode mode
		body string
		want string
	}{
		"nobody": {structured, instead(acme, `"nobody"`),
			`"detail":"subject: there is no customer \"nobody\""`},
		"nobody, in a batch":    {batched, "[" + instead(acme, `"nobody"`) + "]", `"events[0].subject: there is no`},
		"a long type":           {structured, instead("calls", strings.Repeat("x", 257)), `"type: it has more than 256`},
		"a null":                {structured, instead(acme, "null"), `"subject: it must be a text"`},
		"the first of two":      {batched, "[" + instead(acme, `"nobody"`) + "," + without(id) + "]", `"events[0].subject: `},
		"the second of two":     {batched, "[" + oneEvent + "," + without(id) + "]", `"events[1].id: it is missing"`},
		"two parts of one":      {structured, instead(acme+","+data, acme+`,"data":{}`), `"data.quantity: it is missing"`},
		"data of another kind":  {structured, instead(data, `"data_base64":"eyJx"`), `"data_base64: data must be JSON`},
		"a list as one":         {structured, "[" + oneEvent + "]", "a list of them is application/cloudevents-batch"},
		"nothing as one":        {structured, "", `an event is a JSON object such as {\"specversion\"`},
		"one as a batch":        {batched, oneEvent, "a batch is a JSON array of events"},
		"nothing as a batch":    {batched, "", "a batch is a JSON array of events"},
		"a number in a batch":   {batched, "[" + oneEvent + ",7]", `"events[1]: an event is a JSON object`},
		"a batch in a batch":    {batched, "[[" + oneEvent + "]]", `"events[0]: an event is a JSON object`},
		"what is no JSON":       {batched, "[" + instead(acme, `"nobody"`) + `,{"id"]`, "not JSON as it should be"},
		"what has no end":       {batched, "[" + oneEvent, "not JSON as it should be"},
		"a batch with more":     {batched, "[" + instead(acme, `"nobody"`) + "]]", "something after the end"},
		"a thousand and one":    {batched, "[" + strings.Repeat(oneEvent+",", 1000) + oneEvent + "]", "more than 1000"},
		"headers without data":  {binary, "", `"data: it must be an object`},
		"headers without much":  {binary, "{}", `"data.quantity: it is missing"`},
		"headers and more data": {binary, `{"quantity":1}{}`, "something after the end"},
	} {
		t.Run(name, func(t *testing.T) {
			var c till
			status, body := post(t, &c, message{"/v1/usage", headersOf(tc.mode), tc.body})
			if status != 400 || !strings.Contains(body, tc.want) || len(c.facts) > 0 {
				t.Errorf("got %d %s, want 400 %s", status, body, tc.want)
			}
		})
	}
}

func TestWhatIsWrongWithAHeaderOfAnEventIsNamed(t *testing.T) {
	for header, tc := range map[string]struct{ value, want string }{
		"ce-id":          {"", `"ce-id: it is missing"`},
		"ce-specversion": {"2", `"ce-specversion: it must be 1.0"`},
		"ce-source":      {"%x", `"ce-source: a percent sign`},
		"ce-type":        {"sso", `"ce-type: \"sso\" is not the key of a metered feature"`},
		"ce-subject":     {"nobody", `"ce-subject: there is no customer \"nobody\""`},
		"Content-Type":   {"", "content-type: it must be application/cloudevents+json for one event"},
	} {
		headers := headersOf(binary)
		if headers[header] = tc.value; tc.value == "" {
			delete(headers, header)
		}
		var c till
		status, body := post(t, &c, message{"/v1/usage", headers, `{"quantity":1}`})
		if status != 400 || !strings.Contains(body, tc.want) || len(c.facts) > 0 {
			t.Errorf("got %d %s, want 400 %s", status, body, tc.want)
		}
	}
}

func TestTheTimeOfAnEventIsATime(t *testing.T) {
	for given, good := range map[string]bool{"2026-11-23T12:00:00Z": true, "2026-10-23t12:00:00.25+01:00": true,
		"yesterday": false, "2026-11-23": false, "1795435200": false, "2026-11-23T12:00:00": false,
		"2026-02-30T12:00:00Z": false} {
		event := strings.Replace(oneEvent, `"id"`, `"time":"`+given+`","id"`, 1)
		headers := headersOf(binary)
		headers["ce-time"] = given
		for field, m := range map[string]message{
			"time":           {"/v1/usage", headersOf(structured), event},
			"events[0].time": {"/v1/usage", headersOf(batched), "[" + event + "]"},
			"ce-time":        {"/v1/usage", headers, `{"quantity":1}`},
		} {
			status, want := 202, "accepted"
			if !good {
				status, want = 400, `"`+field+": it must be an RFC 3339 timestamp"
			}
			if got, body := post(t, &till{}, m); got != status || !strings.Contains(body, want) {
				t.Errorf("%s: got %d %s, want %d %s", given, got, body, status, want)
			}
		}
	}
	for given, want := range map[string]int{`""`: 400, "7": 400, "null": 202} {
		event := strings.Replace(oneEvent, `"id"`, `"time":`+given+`,"id"`, 1)
		if got, body := post(t, &till{}, message{"/v1/usage", headersOf(structured), event}); got != want {
			t.Errorf("%s: got %d %s, want %d", given, got, body, want)
		}
	}
}
