package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker/index"
)

// items makes a bulk request of checks with revisions to wait for, each as "revision wait".
func items(waits ...string) string {
	var out []string
	for _, w := range waits {
		revision, wait, _ := strings.Cut(w, " ")
		out = append(out, fmt.Sprintf(`{"customer":"acme","feature":"sso","min_revision":%s,"wait_ms":%s}`, revision, wait))
	}
	return `{"checks":[` + strings.Join(out, ",") + `]}`
}

func TestAnItemWhoseRevisionDoesNotComeSpoilsNoOther(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	status, got := do(t, "POST", base+"/v1/checks", items("4812 0", "9999 5", "4900 0"))
	if status != 200 || strings.Count(got, `"allowed":true`) != 1 ||
		!strings.Contains(got, `{"code":"revision_not_reached","detail":"checks[1]: this sidecar is at revision 4812 and `+
			`did not reach 9999 within 5 ms`) || !strings.Contains(got, "reach 4900 within 0 ms") {
		t.Errorf("got %d %s", status, got)
	}
}

// TestEachItemWaitsAsLongAsItSays publishes a revision while a request waits.
func TestEachItemWaitsAsLongAsItSays(t *testing.T) {
	for name, tc := range map[string]struct {
		body    string
		looks   int32 // at the index, the last of which is when the revision may come
		publish uint64
		least   time.Duration
		want    string
	}{
		"a high revision serves the low ones": {items("4813 1", "4814 20000", "0 0"), 2, 4814, 0,
			`4814: true, true, true`},
		"a patient item waits on after an impatient one": {items("9999 1", "4814 20000"), 3, 4814, time.Millisecond,
			`4814: checks[0]: this sidecar is at revision 4814 and did not reach 9999 within 1 ms, true`},
		"a high revision is waited for when a low one is there": {items("4813 20000", "4814 50"), 2, 4813,
			50 * time.Millisecond,
			`4813: true, checks[1]: this sidecar is at revision 4813 and did not reach 4814 within 50 ms`},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKnown(t)
			w := watch(k, tc.looks)
			base := serve(t, k, func(o *Options) { o.Source = w })
			var got string
			var took time.Duration
			var done sync.WaitGroup
			done.Go(func() {
				begin := time.Now()
				_, got = do(t, "POST", base+"/v1/checks", tc.body)
				took = time.Since(begin)
			})
			<-w.waits
			if err := k.index.Begin().Publish(tc.publish); err != nil {
				t.Error(err)
			}
			done.Wait()
			if got = inShort(t, got); got != tc.want || took < tc.least || took > 10*time.Second {
				t.Errorf("after %v got %s\nwant %s", took, got, tc.want)
			}
		})
	}
}

// inShort is a bulk answer's revision, and of each result whether it allows or what it says instead.
func inShort(t *testing.T, body string) string {
	t.Helper()
	var answer struct {
		Revision uint64
		Results  []struct {
			Allowed bool
			Detail  string
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range answer.Results {
		said, _, _ := strings.Cut(r.Detail, ";")
		out = append(out, cmp.Or(said, strconv.FormatBool(r.Allowed)))
	}
	return fmt.Sprintf("%d: %s", answer.Revision, strings.Join(out, ", "))
}

// A watched source tells when it was looked at for the nth time: once to answer, then before each wait.
type watched struct {
	*known
	looks atomic.Int32
	last  int32
	waits chan struct{} // closed with the last look
}

func watch(k *known, last int32) *watched {
	return &watched{known: k, last: last, waits: make(chan struct{})}
}

func (w *watched) Index() *index.Index {
	if w.looks.Add(1) == w.last {
		close(w.waits)
	}
	return w.known.Index()
}

func TestWhoWaitsIsToldThatTheSidecarStops(t *testing.T) {
	for target, body := range map[string]string{
		"/v1/check":  `{"customer":"acme","feature":"sso","min_revision":9999,"wait_ms":30000}`,
		"/v1/checks": items("9999 30000"),
	} {
		w := watch(newKnown(t), 2)
		a, err := New(Options{Source: w, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := a.Server(a.Handler)
		var done sync.WaitGroup
		done.Go(func() { _ = server.Serve(listener) })
		done.Go(func() {
			resp, err := http.Post("http://"+listener.Addr().String()+target, "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" ||
				!strings.Contains(string(got), `"code":"overloaded","detail":"this sidecar is stopping`) {
				t.Errorf("%s: got %d %v %s", target, resp.StatusCode, resp.Header, got)
			}
		})
		<-w.waits
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		done.Wait()
	}
}

func TestUnknownQueryParametersAreNamed(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	for _, request := range []string{"GET /v1/status?x=1", "GET /v1/check?customer=acme&feature=sso&x=1",
		"GET /v1/explain?customer=acme&feature=sso&x=1", "GET /v1/customers/acme/entitlements?x=1", "POST /v1/checks?x=1",
		"POST /v1/check?x=1", "POST /v1/explain?x=1"} {
		method, target, _ := strings.Cut(request, " ")
		if status, got := do(t, method, base+target, items("0 0")); status != 400 || !strings.Contains(got, `"field":"x"`) {
			t.Errorf("%s: got %d %s", request, status, got)
		}
	}
	for _, field := range []string{"customer", "feature", "value"} {
		status, got := do(t, "GET", base+"/v1/customers/acme/entitlements?"+field+"=x", "")
		if status != 400 || !strings.Contains(got, `"field":"`+field+`"`) {
			t.Errorf("%s: got %d %s", field, status, got)
		}
	}
	for _, target := range []string{"/v1/status?", "/v1/status", "/readyz?x=1", "/metrics?x=1"} {
		if status, got := do(t, "GET", base+target, ""); status != 200 {
			t.Errorf("%s: got %d %s", target, status, got)
		}
	}
}
