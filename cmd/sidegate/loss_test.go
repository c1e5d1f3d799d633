package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A bereaved is a hub and three sidecars that are consumed from, whose NATS loses what it had. The last sidecar can be
// cut off.
type bereaved struct {
	*workshop
	nats   *process
	url    string // of NATS
	hub    *process
	far    *link // between the last sidecar and NATS
	beside []*runner
	all    *callers
}

// losable is what the three sidecars may consume together.
const losable = 4000

func (w *workshop) bereave(t *testing.T) *bereaved {
	t.Helper()
	b := &bereaved{workshop: w}
	b.nats, b.url = w.broker(t, strconv.Itoa(unusedPort(t))) // it comes back at the same one
	b.far = newLink(t, strings.TrimPrefix(b.url, "nats://"))
	b.hub = w.run(t, anywhere("hub", "--nats", b.url)...)
	b.beside = w.besides(t, []string{b.url, b.url, "nats://" + b.far.address()}, w.limited(t, "acme", losable, b.at()))
	var all []*caller
	for i, r := range b.beside {
		all = append(all, &caller{t: t, name: []string{"near", "nigh", "far"}[i], feature: "ai-credits", beside: r,
			pace: 20 * time.Millisecond})
	}
	b.all = summon(all...)
	return b
}

// at names the hub to a command.
func (b *bereaved) at() string { return "--hub=" + b.hub.ready["hub"] }

// reaches waits until callers were told of so many units.
func (b *bereaved) reaches(t *testing.T, units int64) {
	t.Helper()
	eventually(t, "callers are told of more units", func() bool { return b.all.units() >= units })
}

// without does something to the folder of a NATS that is down.
func (b *bereaved) without(t *testing.T, do func(store string) error) {
	t.Helper()
	send(t, b.nats, syscall.SIGTERM)
	b.nats.end(patience)
	if err := do(filepath.Join(b.dir, "nats")); err != nil {
		t.Fatal(err)
	}
	b.nats, _ = b.broker(t, b.url[strings.LastIndex(b.url, ":")+1:])
}

// fleet is how the hub's holders and books stand.
func (b *bereaved) fleet(t *testing.T) (epoch float64, awaited []any, learns bool) {
	t.Helper()
	doc := b.cli(t, "fleet", "list", b.at()).doc
	learning, learns := doc["learning"].(map[string]any)
	awaited, _ = learning["awaited"].([]any)
	epoch, _ = doc["epoch"].(float64)
	return epoch, awaited, learns
}

// TestRealProcessesOutlive are of what befalls processes that run, and takes long: they wait at the same time.
func TestRealProcessesOutlive(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute and a half")
	}
	w := build(t)
	t.Run("a log that is put back from an older copy", func(t *testing.T) {
		t.Parallel()
		learnsWhatTheCopyLacks(t, w)
	})
	t.Run("meanwhile", func(t *testing.T) {
		t.Parallel()
		t.Run("a log that is wiped", func(t *testing.T) { learnsAfterAWipe(t, w) })
		t.Run("a suspension over the end of a period", func(t *testing.T) { sleepsOverTheEndOfAPeriod(t, w) })
	})
}

// learnsWhatTheCopyLacks has the last sidecar be away with rights that the copy does not know.
func learnsWhatTheCopyLacks(t *testing.T, shared *workshop) {
	b := shared.room(t, "copy").bereave(t)
	older := filepath.Join(b.dir, "older")
	end := answering(t, b.beside)
	b.reaches(t, 300)
	b.without(t, func(store string) error { return os.CopyFS(older, os.DirFS(store)) })
	b.spendsMore(t)
	b.far.set(severed)
	b.without(t, func(store string) error { return errors.Join(os.RemoveAll(store), os.Rename(older, store)) })
	lost := time.Now()

	eventually(t, "the loss is noticed, and the one is awaited that is away", func() bool {
		epoch, awaited, _ := b.fleet(t)
		return epoch == 1 && len(awaited) == 1
	})
	spent := b.dry(t)
	for time.Since(lost) < gathering {
		<-time.After(time.Second)
	}
	if _, awaited, _ := b.fleet(t); len(awaited) != 1 || b.all.units() != spent {
		t.Errorf("after a minute %v are awaited, and %d units were consumed beyond %d", awaited, b.all.units()-spent, spent)
	}
	b.far.mend()
	b.exhausted(t, end)
}

// gathering is how long after a loss the hub gives no rights at least, and a little more.
const gathering = 63 * time.Second

// spendsMore waits until every sidecar has spent more than it holds now, and so has got rights since.
func (b *bereaved) spendsMore(t *testing.T) {
	t.Helper()
	var want []int64
	for i, r := range b.beside {
		held := b.must(t, 0, "check", "acme", "ai-credits", r.flag()).doc["held"].(float64)
		want = append(want, b.all.all[i].units.Load()+int64(held)+100)
	}
	for i, units := range want {
		eventually(t, "a sidecar gets rights", func() bool { return b.all.all[i].units.Load() >= units })
	}
}

// dry waits until every caller is denied, because no rights are held, and answers what all were told of by then.
func (b *bereaved) dry(t *testing.T) (units int64) {
	t.Helper()
	for _, one := range b.all.all {
		eventually(t, "all rights are spent that are held", func() bool {
			last := one.last.Load()
			return last != nil && last.Reason == "rights_unavailable" && last.Quantity == 1
		})
	}
	if units = b.all.units(); units > losable*9/10 {
		t.Errorf("%d of %d units were consumed, and next to nothing is left to be granted again", units, losable)
	}
	return units
}

// exhausted waits until everything is spent, and holds it against what the hub has.
func (b *bereaved) exhausted(t *testing.T, answered func()) {
	t.Helper()
	b.reaches(t, losable)
	b.all.end()
	answered()
	if got := b.all.units(); got != losable {
		t.Errorf("%d units were consumed of %d", got, losable)
	}
	b.all.agree(t, b.workshop, b.at())
	if epoch, _, learns := b.fleet(t); epoch != 1 || learns {
		t.Errorf("in the end the epoch is %v, and books learn: %v", epoch, learns)
	}
	for _, r := range b.beside {
		r.kill()
	}
	b.hub.kill()
	b.nats.kill()
}

// learnsAfterAWipe has the operator start a hub on the empty log, bring the documents in again, and wait no longer for
// holders once it is seen that all have told.
func learnsAfterAWipe(t *testing.T, shared *workshop) {
	b := shared.room(t, "wipe").bereave(t)
	end := answering(t, b.beside)
	b.reaches(t, 300)
	b.spendsMore(t)
	documents := b.backup(t)
	b.without(t, os.RemoveAll)
	b.hub.kill()
	b.hub = b.run(t, anywhere("hub", "--nats", b.url)...)
	b.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", b.at())
	b.must(t, 0, "customer", "import", documents, b.at())

	eventually(t, "the loss is noticed, and all have told", func() bool {
		epoch, awaited, _ := b.fleet(t)
		return epoch == 1 && len(awaited) == 0
	})
	b.dry(t)
	if _, _, learns := b.fleet(t); !learns {
		t.Error("books do not learn any more, and nobody has accepted anything")
	}
	b.must(t, 0, "fleet", "accept", "epoch=1", b.at())
	b.exhausted(t, end)
}

// backup keeps acme's documents in a file that can be imported.
func (b *bereaved) backup(t *testing.T) (file string) {
	t.Helper()
	main := fetch(t, b.hub.ready["hub"]+"/v1/customers/acme/subscriptions/main", firstToken)
	for _, answered := range []string{"id", "customer", "revision", "current"} {
		delete(main, answered)
	}
	line, err := json.Marshal(map[string]any{"id": "acme", "subscriptions": map[string]any{"main": main}})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(b.dir, "acme.ndjson")
	if err := os.WriteFile(file, append(line, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
