package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/sidegate/sidegate/bench/world"
)

// token is the hub's first admin token in a run; it protects nothing.
const token = "bench-admin-token-0001"

// A plant is a hub with its log and a sidecar, as processes.
type plant struct {
	program string
	dir     string
	hub     *process
	sidecar *process
	client  http.Client
}

// newPlant starts a hub with an embedded log on a core and applies the sample catalogue.
func newPlant(ctx context.Context, program string, core int) (*plant, error) {
	dir, err := os.MkdirTemp("", "sidegate-bench-")
	if err != nil {
		return nil, err
	}
	p := &plant{program: program, dir: dir}
	p.hub, err = start(ctx, launch{program: program, core: core, env: []string{"SIDEGATE_TOKEN=" + token},
		args: []string{"hub", "--embed-nats", "--data", filepath.Join(dir, "hub"), "--hub-listen", "127.0.0.1:0",
			"--nats-listen", "127.0.0.1:0"}})
	if err != nil {
		p.close()
		return nil, err
	}
	if _, err = p.call(ctx, http.MethodPut, "/v1/catalog", world.Catalogue()); err != nil {
		p.close()
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return p, nil
}

// follow starts the sidecar. listen is empty for a free port.
func (p *plant) follow(ctx context.Context, listen string, core int) error {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	var err error
	p.sidecar, err = p.another(ctx, "sidecar", listen, core)
	return err
}

// another starts a sidecar whose data is in a folder of that name. The caller ends it.
func (p *plant) another(ctx context.Context, name, listen string, core int) (*process, error) {
	return start(ctx, launch{program: p.program, core: core, args: []string{"sidecar",
		"--nats", p.hub.ready["nats"], "--data", filepath.Join(p.dir, name), "--listen", listen,
		"--ops-listen", "127.0.0.1:0"}})
}

func (p *plant) close() {
	p.sidecar.kill()
	p.hub.kill()
	if err := os.RemoveAll(p.dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// load imports n synthetic customers and answers how long the hub took.
func (p *plant) load(ctx context.Context, n int) (time.Duration, error) {
	return p.bring(ctx, func(w io.Writer) error { return writeWorld(w, n) })
}

// bring imports the customers that write writes, one a line, and answers how long the hub took.
func (p *plant) bring(ctx context.Context, write func(io.Writer) error) (time.Duration, error) {
	file, err := os.Create(filepath.Join(p.dir, "customers.ndjson"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if err := write(file); err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	begin := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url("/v1/import"), file)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := p.do(req)
	if err == nil && bytes.Contains(answer, []byte(`"errors":[{`)) {
		err = fmt.Errorf("import: %.300s", answer)
	}
	return time.Since(begin), err
}

func (p *plant) url(path string) string {
	u := url.URL{Scheme: "http", Host: hostOf(p.hub.ready["hub"])}
	return u.String() + path
}

// hostOf takes the scheme off an address.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

func (p *plant) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url(path), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body[0] != '{' {
		req.Header.Set("Content-Type", "application/yaml")
	}
	return p.do(req)
}

func (p *plant) do(req *http.Request) ([]byte, error) {
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL.Path, resp.Status, answer)
	}
	return answer, nil
}

// revise changes a customer's subscription so that the answer for ci-minutes changes, and answers the revision.
func (p *plant) revise(ctx context.Context, customer string, limit int) (uint64, error) {
	body := fmt.Sprintf(`{"plan":"team","overrides":{"ci-minutes":{"limit":%d,"per":"month"}}}`, limit)
	answer, err := p.call(ctx, http.MethodPut, "/v1/customers/"+customer+"/subscriptions/main", []byte(body))
	if err != nil {
		return 0, err
	}
	var written struct {
		Revision uint64 `json:"revision"`
	}
	if err := json.Unmarshal(answer, &written); err != nil {
		return 0, err
	}
	return written.Revision, nil
}
