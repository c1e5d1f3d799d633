package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// exhausted is how long callers may take to reach the limits once all is well.
const exhausted = 5 * time.Minute

// An answer is what a caller was told, as it stands in its log.
type answer struct {
	N        int
	Quantity int64
	Consumed int64
	Reason   string
	Resets   string `json:"resets_at"`
	Replayed bool
}

// logOf is where what a caller was told is written down.
func (c *campaign) logOf(at, of int) string {
	return filepath.Join(c.dir, fmt.Sprintf("told-%d-%d.ndjson", at, of))
}

// caller asks for one of the features at one of the sidecars.
func (c *campaign) caller(at, of int) *caller {
	return &caller{t: c.T, name: fmt.Sprintf("%d-%d", at, of), feature: c.loads[of].feature, beside: &c.beside[at].runner}
}

// spend consumes at one sidecar until told to stop, and writes every answer down. What is not answered is asked again
// under the same key.
func (c *campaign) spend(at, of int) {
	file, err := os.Create(c.logOf(at, of))
	if err != nil {
		c.Error(err)
		return
	}
	defer file.Close()
	log := bufio.NewWriter(file)
	defer log.Flush()
	one := c.caller(at, of)
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		default:
		}
		got := one.insist(answer{N: n, Quantity: int64(n%3 + 1)})
		if err := json.NewEncoder(log).Encode(got); err != nil {
			c.Error(err)
		}
		c.told[of].Add(got.Consumed)
		if got.Consumed == 0 {
			<-time.After(5 * time.Millisecond) // there is no sense in being denied all the time
		}
	}
}

// errNoAnswer says that it is not known, or not decided, what became of a request.
var errNoAnswer = errors.New("no answer")

func consumeOnce(address string, body []byte) (a answer, err error) {
	resp, err := http.Post(address+"/v1/consume", "application/json", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return a, errors.Join(errNoAnswer, err, errors.New(resp.Status+" "+string(data)))
	}
	return a, json.Unmarshal(data, &a)
}

// exhaust waits until callers have reached every limit that lasts.
func (c *campaign) exhaust() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(exhausted)
	for i := 0; i < len(c.loads); {
		if l := c.loads[i]; l.again || l.most == 0 || c.told[i].Load() >= l.most {
			i++
			continue
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.Errorf("%s: callers were told of %d units, and could not have all %d", c.loads[i].feature, c.told[i].Load(),
				c.loads[i].most)
			return
		}
	}
}

// judge holds what the hub has in the end against what callers wrote down.
func (c *campaign) judge() {
	for of, l := range c.loads {
		periods := map[string]int64{}
		for at := range c.beside {
			c.review(at, of, periods)
		}
		told := int64(0)
		for end, units := range periods {
			if told += units; l.most > 0 && units > l.most {
				c.Errorf("%s: %d units were consumed of %d, in the period until %s", l.feature, units, l.most, end)
			}
		}
		c.compare(l, told)
		c.Logf("%s: callers were told of %d units in %d periods", l.feature, told, len(periods))
	}
	fleet := fetch(c.T, *c.hubs[0].at.Load()+"/v1/fleet", firstToken)
	if fleet["epoch"] != 0.0 {
		c.Errorf("epoch %v: a loss of the log was seen where there was none", fleet["epoch"])
	}
	for _, h := range fleet["holders"].([]any) {
		if trust := h.(map[string]any)["trust"]; trust != "trusted" || len(fleet["holders"].([]any)) != len(c.beside) {
			c.Errorf("a vault was not believed: the fleet is %v", fleet["holders"])
			break
		}
	}
}

// review adds up what one caller was told by period, and asks some of it again: the answer has to be the same.
func (c *campaign) review(at, of int, periods map[string]int64) {
	const every = 97
	file, err := os.Open(c.logOf(at, of))
	if err != nil {
		c.Fatal(err)
	}
	defer file.Close()
	consumed, one := 0, c.caller(at, of)
	for lines := json.NewDecoder(file); ; {
		var told answer
		if err := lines.Decode(&told); err == io.EOF {
			return
		} else if err != nil {
			c.Fatal(err)
		}
		if told.Consumed == 0 {
			continue
		}
		periods[told.Resets] += told.Consumed
		if consumed++; consumed%every != 0 {
			continue
		}
		if again := one.insist(told); !again.repeats(told) {
			c.Errorf("%s: told %+v, and asked again %+v", c.loads[of].feature, told, again)
		}
	}
}

// compare waits until the hub has what callers were told of, no more and no less.
func (c *campaign) compare(l load, told int64) {
	var usage outcome
	reached := func() bool {
		usage = c.cli(c.T, "customer", "usage", "acme", "feature="+l.feature, "--hub="+*c.hubs[1].at.Load())
		all, _ := usage.doc["usage"].([]any)
		sum := 0.0
		for _, one := range all {
			sum += one.(map[string]any)["used"].(float64)
		}
		return sum == float64(told)
	}
	if !happens(reached) {
		c.Errorf("%s: callers were told of %d units, the hub has %s", l.feature, told, usage.text)
	}
}

// happens waits for something, and tells whether it happened.
func happens(what func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !what() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}
