package httpapi

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/meter"
)

// A till is a meter that says what a test wants, and notes what it is asked.
type till struct {
	mu    sync.Mutex
	facts []meter.Fact
	asked []meter.Request
	heard []string
	res   meter.Result
	err   error

	replayed bool
	silent   bool
	reported time.Time
}

func (c *till) Use(_, _, _ []byte, u *checker.Use) { u.Used, u.HeldRights = 2, 1 }

func (c *till) Hear(_ context.Context, customer, feature string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, customer+" "+feature)
}

func (c *till) Consume(_ context.Context, r *meter.Request) (meter.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, *r)
	if c.err != nil || c.res.Replayed != nil {
		return c.res, c.err
	}
	c.Use(nil, nil, nil, &r.Held.Use)
	d := checker.Decide(r.Held, r.Ask, noon.UnixMilli())
	res := meter.Result{Decision: d, RetryAfter: c.res.RetryAfter}
	if d.Allowed {
		res.Consumed = r.Ask.Quantity
	}
	return res, nil
}

func (c *till) Record(_ context.Context, facts []meter.Fact) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts = append(c.facts, facts...)
	return len(facts) - 1, c.err
}

func (c *till) Reserve(ctx context.Context, r *meter.Request, ttl time.Duration) (meter.Result, meter.Reserved, error) {
	res, err := c.Consume(ctx, r)
	if err != nil || res.Consumed == 0 {
		return res, meter.Reserved{}, err
	}
	return res, meter.Reserved{ID: "ab.c", Expires: noon.Add(ttl).UnixMilli()}, nil
}

func (c *till) Commit(string, int64) (bool, error) { return c.replayed, c.err }
func (c *till) Cancel(string) (bool, error)        { return c.replayed, c.err }
func (c *till) Refund(string) (int64, bool, error) { return 4, c.replayed, c.err }

func (c *till) Status() meter.Status {
	return meter.Status{Held: 7, Unreported: 3, Silent: c.silent, Reported: c.reported}
}

// A message is what is posted.
type message struct {
	path    string
	headers map[string]string
	body    string
}

// post answers status and body.
func post(t *testing.T, c *till, m message) (int, string) {
	t.Helper()
	a, err := New(Options{Source: newKnown(t), Meter: c, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := request("POST", m.path, m.body)
	for name, value := range m.headers {
		ctx.Request.Header.Set(name, value)
	}
	a.Handler(ctx)
	return ctx.Response.StatusCode(), string(ctx.Response.Body())
}

func TestConsumptionIsAnsweredByWhatBecameOfIt(t *testing.T) {
	const acme = `"customer":"acme","feature":"calls"`
	for name, tc := range map[string]struct {
		body   string
		till   *till
		status int
		want   string
	}{
		"allowed":         {`{` + acme + `,"quantity":3}`, &till{}, 200, `"consumed":3}`},
		"one unless said": {`{` + acme + `}`, &till{}, 200, `"consumed":1}`},
		"denied":          {`{` + acme + `,"quantity":4}`, &till{}, 200, `"allowed":false,"reason":"limit_reached"`},
		"denied counts 0": {`{` + acme + `,"quantity":4}`, &till{}, 200, `"consumed":0}`},
		"rights elsewhere": {`{` + acme + `}`, &till{res: meter.Result{RetryAfter: time.Second}}, 200,
			`"retry_after_ms":1000}`},
		"replayed": {`{` + acme + `}`, &till{res: meter.Result{Replayed: []byte(`{"x":1`)}}, 200,
			`{"x":1,"replayed":true}`},
		"unknown customer":  {`{"customer":"nobody","feature":"calls"}`, &till{}, 200, `"unknown_customer"`},
		"not metered":       {`{"customer":"acme","feature":"sso"}`, &till{}, 400, `"feature_not_metered"`},
		"nothing":           {`{` + acme + `,"quantity":0}`, &till{}, 400, `number from 1 to 8796093022207`},
		"less than nothing": {`{` + acme + `,"quantity":-1}`, &till{}, 400, `number from 1 to 8796093022207`},
		"more than can be":  {`{` + acme + `,"quantity":8796093022208}`, &till{}, 400, `number from 1 to 8796093022207`},
		"as much as can be": {`{` + acme + `,"quantity":8796093022207}`, &till{}, 200, `"limit_reached"`},
		"without a body":    {``, &till{}, 400, `the body must be a JSON object such as {\"customer\":\"acme\",`},
		"a check's field": {`{` + acme + `,"value":5}`, &till{}, 400, `known here: customer, ` +
			`feature, user, device, environment, version, quantity, min_revision, wait_ms, idempotency_key)`},
		"another payload":    {`{` + acme + `}`, &till{err: meter.ErrKeyReused}, 422, `"idempotency_key_reused"`},
		"a full disk":        {`{` + acme + `}`, &till{err: fmt.Errorf("x: %w", replica.ErrNoSpace)}, 507, `"storage_full"`},
		"a disk that failed": {`{` + acme + `}`, &till{err: fmt.Errorf("x: %w", replica.ErrBroken)}, 503, `"storage_failed"`},
		"a disk that fails": {`{` + acme + `}`, &till{err: fmt.Errorf("%w: %w", replica.ErrUnknown, replica.ErrBroken)}, 500,
			`"outcome_unknown"`},
		"stopping":           {`{` + acme + `}`, &till{err: meter.ErrClosed}, 503, `"overloaded"`},
		"beyond all numbers": {`{` + acme + `}`, &till{err: meter.ErrTooMany}, 400, `"field":"quantity"`},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := post(t, tc.till, message{"/v1/consume", nil, tc.body})
			if status != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("got %d %s, want %d %s", status, body, tc.status, tc.want)
			}
		})
	}
}

func TestAKeyStandsInTheBodyOrInTheHeader(t *testing.T) {
	const body = `{"customer":"acme","feature":"calls"`
	var c till
	for _, tc := range []struct{ header, body string }{{"", body + `,"idempotency_key":"k"}`}, {"k", body + `}`},
		{`"k"`, body + `}`}} {
		headers := map[string]string{}
		if tc.header != "" {
			headers["Idempotency-Key"] = tc.header
		}
		if status, text := post(t, &c, message{"/v1/consume", headers, tc.body}); status != 200 {
			t.Fatalf("got %d %s", status, text)
		}
	}
	for _, r := range c.asked {
		if !r.Keyed || r.Key != c.asked[0].Key || r.Payload != c.asked[0].Payload {
			t.Errorf("got %v %x %x, want the key of the first", r.Keyed, r.Key, r.Payload)
		}
	}
	if status, text := post(t, &c, message{"/v1/consume", map[string]string{"Idempotency-Key": "k"},
		body + `,"idempotency_key":"k"}`}); status != 400 {
		t.Errorf("in both: got %d %s", status, text)
	}
	post(t, &c, message{"/v1/consume", nil, body + `,"quantity":2,"idempotency_key":"k"}`})
	if last := c.asked[len(c.asked)-1]; last.Payload == c.asked[0].Payload {
		t.Error("another quantity has the same payload")
	}
}

func TestAKeyThatIsNoneIsRefused(t *testing.T) {
	const acme = `{"customer":"acme","feature":"calls"`
	const remedy = "give 1 to 256 bytes, or leave it out"
	long := strings.Repeat("k", 257)
	for name, tc := range map[string]struct {
		headers []string
		body    string
		want    string
	}{
		"empty in the body":       {nil, acme + `,"idempotency_key":""}`, "idempotency_key: it is empty"},
		"the remedy in the body":  {nil, acme + `,"idempotency_key":""}`, remedy},
		"an empty header":         {[]string{""}, acme + "}", "Idempotency-Key: it is empty"},
		"the remedy of a header":  {[]string{""}, acme + "}", remedy},
		"an empty header, quoted": {[]string{`""`}, acme + "}", "Idempotency-Key: it is empty"},
		"two headers":             {[]string{"a", "b"}, acme + "}", "Idempotency-Key: it stands twice"},
		"a long header":           {[]string{long}, acme + "}", "Idempotency-Key: it has more than 256 bytes"},
		"an empty header also":    {[]string{""}, acme + `,"idempotency_key":"k"}`, "in the body and in the header"},
	} {
		t.Run(name, func(t *testing.T) {
			var c till
			a, err := New(Options{Source: newKnown(t), Meter: &c, Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			ctx := request("POST", "/v1/consume", tc.body)
			for _, key := range tc.headers {
				ctx.Request.Header.Add("Idempotency-Key", key)
			}
			a.Handler(ctx)
			got := string(ctx.Response.Body())
			if ctx.Response.StatusCode() != 400 || !strings.Contains(got, tc.want) || len(c.asked) > 0 {
				t.Errorf("got %d %s, want 400 %s", ctx.Response.StatusCode(), got, tc.want)
			}
		})
	}
}

func TestAChecksUseIsTheMeters(t *testing.T) {
	a, err := New(Options{Source: newKnown(t), Meter: &till{}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := request("GET", "/v1/check?customer=acme&feature=calls&quantity=4", "")
	a.Handler(ctx)
	if body := string(ctx.Response.Body()); !strings.Contains(body, `"used":2,"remaining":3`) ||
		!strings.Contains(body, `"held":1`) || !strings.Contains(body, "limit_reached") {
		t.Errorf("got %s", body)
	}
	for _, path := range []string{"/v1/explain?customer=acme&feature=calls", "/v1/customers/acme/entitlements"} {
		ctx := request("GET", path, "")
		a.Handler(ctx)
		if body := string(ctx.Response.Body()); !strings.Contains(body, `"used":2,"remaining":3`) {
			t.Errorf("%s: got %s", path, body)
		}
	}
	var status fasthttp.RequestCtx
	status.Request.SetRequestURI("/v1/status")
	a.Handler(&status)
	if body := string(status.Response.Body()); !strings.Contains(body, `"rights_held":7,"unreported":3`) {
		t.Errorf("got %s", body)
	}
}

func TestEventsAreTakenInEveryMode(t *testing.T) {
	const one = `{"specversion":"1.0","id":"1","source":"ci","type":"calls","subject":"acme","com_x":{"a":[1]},` +
		`"data":{"quantity":7,"unit":"call"}}`
	structured := map[string]string{"Content-Type": "application/cloudevents+json; charset=utf-8"}
	batch := map[string]string{"Content-Type": "application/cloudevents-batch+json"}
	binary := map[string]string{"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "1",
		"ce-source": "ci", "ce-type": "calls", "ce-subject": "two/%E2%98%82 \"x\""}
	for name, tc := range map[string]struct {
		headers map[string]string
		body    string
		status  int
		want    string
		facts   int
	}{
		"structured":     {structured, one, 202, `{"accepted":1,"duplicates":0}`, 1},
		"a batch":        {batch, "[" + one + "," + one + "]", 202, `{"accepted":1,"duplicates":1}`, 2},
		"binary":         {binary, `{"quantity":5}`, 202, `{"accepted":1,"duplicates":0}`, 1},
		"no quantity":    {binary, `{}`, 400, "data.quantity: it is missing", 0},
		"no data":        {binary, ``, 400, "data: it must be an object", 0},
		"a fraction":     {structured, strings.Replace(one, "7", "7.5", 1), 400, "data.quantity", 0},
		"no subject":     {structured, strings.Replace(one, `"subject":"acme",`, "", 1), 400, "subject: it is missing", 0},
		"another format": {structured, strings.Replace(one, "1.0", "0.3", 1), 400, "specversion: it must be 1.0", 0},
		"nobody": {batch, "[" + one + "," + strings.Replace(one, "acme", "nobody", 1) + "]", 400,
			"events[1].subject", 0},
		"a boolean": {structured, strings.Replace(one, "calls", "sso", 1), 400,
			"type: \\\"sso\\\" is not the key of a metered", 0},
		"no events":      {map[string]string{"Content-Type": "text/plain"}, one, 400, "content-type", 0},
		"more behind it": {structured, one + "x", 400, "not JSON as it should be", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var c till
			status, body := post(t, &c, message{"/v1/usage", tc.headers, tc.body})
			if status != tc.status || !strings.Contains(body, tc.want) || len(c.facts) != tc.facts {
				t.Errorf("got %d %s and %d facts, want %d %s and %d", status, body, len(c.facts), tc.status, tc.want, tc.facts)
			}
		})
	}
	var c till
	if status, body := post(t, &c, message{"/api/v1/events", structured, one}); status != 204 || body != "" {
		t.Errorf("the other path: got %d %q", status, body)
	}
	if f := c.facts[0]; f.Customer != "acme" || f.Feature != "calls" || f.Quantity != 7 {
		t.Errorf("got %+v", f)
	}
}

func TestAnEventIsKnownBySourceAndID(t *testing.T) {
	var c till
	for _, event := range []string{"a|b", "a|b", "a|c", "ab|", "a|b "} {
		source, id, _ := strings.Cut(event, "|")
		if id == "" {
			source, id = "a", "|b"
		}
		post(t, &c, message{"/v1/usage", map[string]string{"Content-Type": "application/json", "ce-specversion": "1.0",
			"ce-source": source, "ce-id": id, "ce-type": "calls", "ce-subject": "acme"}, `{"quantity":1}`})
	}
	keys := map[[16]byte]int{}
	for _, f := range c.facts {
		keys[f.Key]++
	}
	if len(c.facts) != 5 || keys[c.facts[0].Key] < 2 || len(keys) < 3 {
		t.Errorf("%d facts have %d keys", len(c.facts), len(keys))
	}
}

func TestAKeyIsGoodForTheNextVersionOfTheApp(t *testing.T) {
	const body = `{"customer":"acme","feature":"calls","idempotency_key":"k"`
	c := &till{}
	for _, version := range []string{"1.0.0", "1.0.1"} {
		a, err := New(Options{Source: newKnown(t), Meter: c, AppVersion: version, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		a.Handler(request("POST", "/v1/consume", body+`}`))
		a.Handler(request("POST", "/v1/consume", body+`,"version":"`+version+`"}`))
	}
	if len(c.asked) != 4 || c.asked[0].Payload != c.asked[2].Payload || c.asked[1].Payload == c.asked[3].Payload {
		t.Errorf("got %+v", c.asked)
	}
}

func TestWhoKnowsARevisionHasTheHubAskedBeforeADenial(t *testing.T) {
	for revision, want := range map[string]bool{`,"min_revision":4812`: true, `,"min_revision":0`: false, "": false} {
		c := &till{}
		status, _ := post(t, c, message{"/v1/consume", nil, `{"customer":"acme","feature":"calls"` + revision + `}`})
		if status != 200 || len(c.asked) != 1 || c.asked[0].Recent != want {
			t.Errorf("%q: got %d and %+v", revision, status, c.asked)
		}
	}
}
