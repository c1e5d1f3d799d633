package httpapi

import (
	"strings"
	"testing"
)

func TestExplainTellsWhatWasLookedAt(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	_, got := do(t, "GET", base+"/v1/explain?customer=old&feature=sso", "")
	for _, want := range []string{`"reason":"expired"`, `"document":"customer/old subscriptions/main"`,
		`plan team version 1 says: true`,
		`"rule":"state","said":"expired"`, `"propagation":{"hub_head":4815,"applied_revision":4812`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestASidecarWithoutASnapshotSaysSo(t *testing.T) {
	k := newKnown(t)
	k.ready = make(chan struct{})
	base := serve(t, k, nil)
	if status, got := do(t, "GET", base+"/v1/check?customer=acme&feature=sso", ""); status != 503 ||
		!strings.Contains(got, "snapshot_not_loaded") {
		t.Errorf("got %d %s", status, got)
	}
	if status, _ := do(t, "GET", base+"/readyz", ""); status != 503 {
		t.Errorf("readyz: got %d", status)
	}
	if status, _ := do(t, "GET", base+"/livez", ""); status != 200 {
		t.Errorf("livez: got %d", status)
	}
	close(k.ready)
	if status, _ := do(t, "GET", base+"/readyz", ""); status != 200 {
		t.Errorf("readyz: got %d", status)
	}
	if _, got := do(t, "GET", base+"/metrics", ""); !strings.Contains(got, "sidegate_revision 4812") {
		t.Errorf("metrics: got %s", got)
	}
	if _, got := do(t, "GET", base+"/v1/status", ""); !strings.Contains(got, `"mode":"connected"`) {
		t.Errorf("status: got %s", got)
	}
}

func TestMetricsCountDecisionsAndFailures(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	for _, target := range []string{"/v1/check?customer=acme&feature=sso", "/v1/check?customer=acme&feature=sso",
		"/v1/check?customer=old&feature=sso", "/v1/check?customer=acme", "/v1/customers/acme/entitlements",
		"/v1/explain?customer=nobody&feature=sso"} {
		do(t, "GET", base+target, "")
	}
	do(t, "POST", base+"/v1/checks", `{"checks":[{"customer":"acme","feature":"sso"},{"customer":"bad","feature":"sso"}]}`)
	_, got := do(t, "GET", base+"/metrics", "")
	for _, want := range []string{
		`sidegate_checks_total{api="check",result="allowed"} 2`, `sidegate_checks_total{api="check",result="denied"} 1`,
		`sidegate_checks_total{api="check",result="error"} 1`, `sidegate_checks_total{api="checks",result="allowed"} 1`,
		`sidegate_checks_total{api="checks",result="denied"} 1`,
		`sidegate_checks_total{api="entitlements",result="allowed"} 9`,
		`sidegate_checks_total{api="explain",result="denied"} 1`,
		`sidegate_decisions_total{allowed="false",reason="expired"} 1`,
		`sidegate_decisions_total{allowed="false",reason="revoked"} 1`,
		`sidegate_check_duration_seconds_count{api="check"} `, `sidegate_snapshot_age_seconds 0.12`,
		`sidegate_replication_lag_seconds 0.12`, `sidegate_hub_connected 1`,
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "acme") {
		t.Error("a customer's name stands in the metrics")
	}
}
