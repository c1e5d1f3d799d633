package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/checker"
)

var update = flag.Bool("update", false, "write golden files anew; only for a new version")

func sampleVector(n int64) Vector { return Vector{n + 9, n + 3, n, 1, 2} }

func sampleBook() *Book {
	day := Span{86_400_000, 172_800_000}
	terms := Terms{Limit: 3000, Overdraft: 50, Rollover: 500, Soft: true, Since: 7, Until: Forever,
		Warn: []int64{80, 100}, Basis: 4812}
	return &Book{
		Terms: terms,
		Calendar: Calendar{{Per: checker.Day}, {Per: checker.Month, Anchored: true, Anchor: 1_700_000_000_000,
			From: 172_800_000}},
		Grants: []Grant{{ID: "top-up ☂", Amount: 100, Peak: 120, Priority: 50, From: 1, Until: Forever, Past: 8}},
		Holders: []Holder{{ID: ann, Standing: Standing{10, 4, 86_400_000, Forever}, Before: []Tier{{1, 2, 3}}, Forgot: -1,
			Echoed: 2, Heard: 99}, {ID: bob, Trust: WrittenOff, Forgot: 86_399_999}},
		Periods: []Period{{Span: day, Terms: terms, Peak: 3050, Rolled: 20, Warned: 80,
			Lines: []Line{{ann, Source{}, sampleVector(1)}, {bob, Source{Topup, "top-up ☂"}, sampleVector(2)},
				{bob, Source{Kind: Unbacked}, Vector{Used: 5}}},
			Settled: []Settled{{Source{Kind: Rollover}, sampleVector(3)}},
			Charges: []Charge{{Source{Topup, "top-up ☂"}, 4}}}},
		Turn: 5, Epoch: 2, Learning: Learning{Until: 200_000_000, Known: []HolderID{ann}},
	}
}

func sampleAccount() *Account {
	day, src := Span{86_400_000, Forever}, Source{Topup, "g"}
	return &Account{Epoch: 2, Turn: 5, Calendar: NewCalendar(Rule{Per: checker.Never}), Standing: Standing{3, 1, 5, 9},
		Funds:   []Fund{{"g", 50, Forever}},
		Entries: []Entry{{Span: day, Source: src, Vector: sampleVector(4), Known: sampleVector(1), Reserved: 1, Chunk: 1}},
		Reservations: []Reservation{{ID: "r1", Span: day, Parts: []Part{{src, 1}}, Expires: 77},
			{ID: "r2", Span: day, Ended: true, Counted: 2, Back: true}},
		Forgot: -1}
}

// samples are the encodings that golden files freeze.
func samples() map[string][]byte {
	a := sampleAccount()
	r := a.Report(ann)
	w := Award{Epoch: 2, Turn: 5, Calendar: a.Calendar, Span: a.Entries[0].Span,
		Lines: []Line{{ann, Source{}, sampleVector(1)}}, Standing: a.Standing, Funds: a.Funds}
	totals := Totals{Epoch: 2, Turn: 5, Calendar: a.Calendar, Span: a.Entries[0].Span, Used: 9, Out: 3, Rolled: 1, At: 77,
		Grants: []Balance{{"g", 1, Forever, 50, 4}}, Shares: []Share{{ann, 5, 2}}}
	short, retired := totals, *sampleBook()
	short.Short = true
	retired.Holders[1].Trust = Retired
	wish := Ask{Holder: ann, Epoch: 2, Period: 86_400_000, Target: 9, Standing: 3, Until: Forever}
	return map[string][]byte{"ask": AppendAsk(nil, &wish), "totals": AppendTotals(nil, &totals),
		"account": AppendAccount(nil, a), "report": AppendReport(nil, &r), "award": AppendAward(nil, &w),
		"book": AppendBook(nil, sampleBook()), "short totals": AppendTotals(nil, &short),
		"book with one retired": AppendBook(nil, &retired)}
}

func TestTheEncodingsAreFrozen(t *testing.T) {
	for name, got := range samples() {
		file := filepath.Join("testdata", fmt.Sprintf("%s.v%d", strings.ReplaceAll(name, " ", "-"), got[0]))
		if *update {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from its golden file: got %x, want %x (%v)", name, got, want, err)
		}
	}
}

func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	book, err := DecodeBook(AppendBook(nil, sampleBook()))
	if err != nil || !reflect.DeepEqual(book, sampleBook()) {
		t.Errorf("book: got %+v, %v", book, err)
	}
	account, err := DecodeAccount(AppendAccount(nil, sampleAccount()))
	if err != nil || !reflect.DeepEqual(account, sampleAccount()) {
		t.Errorf("account: got %+v, %v", account, err)
	}
}

func TestDamageAndNewerVersionsAreTold(t *testing.T) {
	for name, good := range samples() {
		for n := range len(good) {
			if err := decodeAny(name, good[:n]); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s cut to %d bytes: got %v", name, n, err)
			}
		}
		newer := bytes.Clone(good)
		newer[0] = 200
		if err := decodeAny(name, newer); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := decodeAny(name, append(bytes.Clone(good), 0)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s with a byte too many: got %v", name, err)
		}
	}
}

func decodeAny(name string, data []byte) error {
	var err error
	switch name {
	case "book", "book with one retired":
		_, err = DecodeBook(data)
	case "account":
		_, err = DecodeAccount(data)
	case "ask":
		_, err = DecodeAsk(data)
	case "totals", "short totals":
		_, err = DecodeTotals(data)
	case "report":
		_, err = DecodeReport(data)
	default:
		_, err = DecodeAward(data)
	}
	return err
}

// FuzzDecode holds that no bytes make a reader panic, and that what is read is encoded in one way.
func FuzzDecode(f *testing.F) {
	for _, data := range samples() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := DecodeBook(data); err == nil {
			again, err := DecodeBook(AppendBook(nil, b))
			if err != nil || !reflect.DeepEqual(again, b) {
				t.Fatalf("book: %+v became %+v, %v", b, again, err)
			}
			_ = b.Check()
		}
		if a, err := DecodeAccount(data); err == nil {
			again, err := DecodeAccount(AppendAccount(nil, a))
			if err != nil || !reflect.DeepEqual(again, a) {
				t.Fatalf("account: %+v became %+v, %v", a, again, err)
			}
			_ = a.Check()
		}
		_, _ = DecodeReport(data)
		_, _ = DecodeAward(data)
	})
}

// TestAListIsNotBelievedToBeAsLongAsItSays reads a report that says it has as many lines as it has bytes.
func TestAListIsNotBelievedToBeAsLongAsItSays(t *testing.T) {
	const said = 1 << 20
	data := AppendReport(nil, &Report{})
	data = append(binary.AppendUvarint(data[:len(data)-1], said), make([]byte, said)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := DecodeReport(data); err == nil {
		t.Error("it was read")
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64*said {
		t.Errorf("%d bytes were allocated for a report of %d", took, len(data))
	}
}
