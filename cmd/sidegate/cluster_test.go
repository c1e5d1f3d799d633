package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// clustered is how many servers of NATS there are.
const clustered = 3

// A cluster is servers of NATS that keep every log together, each reached by the others over links.
type cluster struct {
	*testing.T
	*workshop
	nodes [clustered]*runner
	ports [clustered]int              // for clients
	ways  [clustered][clustered]*link // from the server that calls to the one that is called
	dirs  [clustered]string
}

// gather starts a cluster, with what it keeps under the workshop's folder.
func (w *workshop) gather(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{T: t, workshop: w}
	var routes [clustered]int
	for i := range c.nodes {
		c.ports[i], routes[i] = unusedPort(t), unusedPort(t)
		c.dirs[i] = filepath.Join(w.dir, fmt.Sprint("nats", i))
	}
	for i := range c.nodes {
		for j := range c.nodes {
			if i != j {
				c.ways[i][j] = newLink(t, fmt.Sprint("127.0.0.1:", routes[j]))
			}
		}
	}
	for i := range c.nodes {
		file := filepath.Join(w.dir, fmt.Sprintf("nats%d.conf", i))
		if err := os.WriteFile(file, []byte(c.config(i, routes[i])), 0o600); err != nil {
			t.Fatal(err)
		}
		c.nodes[i] = &runner{start: func() *process { return c.node(file) }}
		c.nodes[i].begin("")
	}
	return c
}

// config is what a server is told. That neither clients nor servers hear of each other's addresses keeps them to the
// links.
func (c *cluster) config(i, route int) string {
	var ways []string
	for _, way := range c.ways[i] {
		if way != nil {
			ways = append(ways, "nats://"+way.address())
		}
	}
	return fmt.Sprintf(`server_name: n%d
listen: "127.0.0.1:%d"
jetstream { store_dir: %q, max_file_store: 64GB, max_memory_store: 64MB, sync_interval: always }
cluster { name: nats, listen: "127.0.0.1:%d", advertise: "127.0.0.1:1", no_advertise: true, routes: [%s] }
`, i, c.ports[i], c.dirs[i], route, strings.Join(ways, ", "))
}

func (c *cluster) node(file string) *process {
	p := c.start(c.T, c.nats, "-c", file)
	p.until(`Server is ready`)
	return p
}

// reach is a link to each server, and the URLs by which a client reaches them.
func (c *cluster) reach() (links []*link, urls string) {
	var all []string
	for i := range c.nodes {
		l := newLink(c.T, "127.0.0.1:"+strconv.Itoa(c.ports[i]))
		links, all = append(links, l), append(all, "nats://"+l.address())
	}
	return links, strings.Join(all, ",")
}

// A cut is a link, and what becomes of it.
type cut struct {
	*link
	linkState
}

// apart is what cuts a server off from the others: altogether, or so that it only hears them, or is only heard.
func (c *cluster) apart(i int, s linkState) []cut {
	other := map[linkState]linkState{mute: deaf, deaf: mute}
	var out []cut
	for j := range c.nodes {
		if j == i {
			continue
		}
		back := s
		if o, ok := other[s]; ok {
			back = o // from the other's side it is the other way round
		}
		out = append(out, cut{c.ways[i][j], s}, cut{c.ways[j][i], back})
	}
	return out
}

// unusedPort is one below those that the system gives to connections, so that nobody takes it while its server is down.
func unusedPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 15_000 + rand.IntN(15_000)
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
