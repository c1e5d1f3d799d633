package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/text"
)

func compare(a, b string) int { return strings.Compare(a, b) }

func sortPlans(plans []planDoc) {
	slices.SortFunc(plans, func(a, b planDoc) int {
		return cmp.Or(compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version))
	})
}

// readCatalogue reads the body, YAML or JSON. The node is what it was read from.
func (c *call) readCatalogue() (catalog.Catalogue, catalog.Node, error) {
	if err := c.read(); err != nil {
		return catalog.Catalogue{}, catalog.Node{}, err
	}
	parse := text.YAML
	if strings.Contains(c.r.Header.Get("Content-Type"), "json") {
		parse = catalog.ParseJSON
	}
	n, err := parse(c.body)
	var faults, more catalog.Faults
	if err != nil && !(errors.As(err, &faults) && n.Kind == catalog.Map) {
		return catalog.Catalogue{}, n, invalid("invalid_catalog", err)
	}
	next, err := catalog.ReadCatalogue(n)
	if err != nil && !errors.As(err, &more) {
		return next, n, invalid("invalid_catalog", err)
	}
	if faults = append(faults, more...); len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b catalog.Fault) int { return cmp.Compare(a.Line, b.Line) })
		return next, n, invalid("invalid_catalog", faults)
	}
	return next, n, nil
}

func (h *Hub) putCatalogue(c *call) error {
	dry, err := c.flag("dry_run")
	if err != nil {
		return err
	}
	next, source, err := c.readCatalogue()
	if err != nil {
		return err
	}
	if dry {
		err = h.diffCatalogue(c, next)
	} else {
		err = h.applyRepeatedly(c, next)
	}
	var p *problem
	if errors.As(err, &p) {
		p.Faults.Locate(source)
	}
	return err
}

// applyRepeatedly applies a catalogue, anew where others were faster.
func (h *Hub) applyRepeatedly(c *call, next catalog.Catalogue) error {
	cmd, err := c.command()
	if err != nil {
		return err
	}
	last := error(replica.ErrConflict)
	for range attempts {
		done, err := h.applyCatalogue(c, cmd, next)
		if err == nil {
			h.followAll(c.r.Context(), done.Revision)
			c.w.Header().Set("ETag", etag(done.Revision))
			return c.answer(done)
		}
		if !errors.Is(err, replica.ErrConflict) && !errors.Is(err, replica.ErrUnknown) {
			return err
		}
		last = err
	}
	return last
}

// An appliedDoc is what became of a catalogue that was put.
type appliedDoc struct {
	Revision  uint64 `json:"revision"`
	Unchanged bool   `json:"unchanged"` // it was in force already
}

// applyCatalogue writes a catalogue, if nothing that it drops is in use.
func (h *Hub) applyCatalogue(c *call, cmd command, next catalog.Catalogue) (appliedDoc, error) {
	ctx := c.r.Context()
	old, _, err := get(ctx, h.docs, replica.KindCatalog)
	if err != nil {
		return appliedDoc{}, err
	}
	if rev, ok, err := cmd.done(old.Recent); ok || err != nil {
		return appliedDoc{Revision: rev}, err
	}
	if err := c.precondition(liveRev(old)); err != nil {
		return appliedDoc{}, err
	}
	v, err := h.fresh(ctx)
	if err != nil {
		return appliedDoc{}, err
	}
	if v.catRev != liveRev(old) {
		return appliedDoc{}, replica.ErrConflict
	}
	unchanged := v.catRev != 0 && !v.marked() && sameCatalogue(v.catalogue, next)
	if unchanged && !cmd.keyed {
		return appliedDoc{v.catRev, true}, nil // nothing to write; a key has to be remembered
	}
	rev, err := h.writeCatalogue(ctx, cmd, v, next)
	return appliedDoc{rev, unchanged}, err
}

func (h *Hub) writeCatalogue(ctx context.Context, cmd command, v *view, next catalog.Catalogue) (uint64, error) {
	rev, err := h.clear(ctx, v, next)
	if err != nil {
		return 0, err
	}
	if rev, err = h.lowerAll(ctx, v, next, rev); err != nil {
		return 0, err
	}
	puts := []replica.Put{{Key: replica.KindCatalog, Expect: rev, Value: catalog.EncodeCatalogue(next)}}
	for _, p := range next.NewVersions(v.newest) {
		puts = append(puts, replica.Put{Key: replica.PlanKey(p.Key, p.Version), Value: catalog.EncodePlan(p)})
	}
	if len(puts) > replica.MaxPuts {
		return 0, refuse(http.StatusBadRequest, "too_many_changes", "%d plans change at once, at most %d can; "+
			"apply the catalogue in steps", len(puts)-1, replica.MaxPuts-1)
	}
	return h.put(ctx, cmd.id, puts...)
}

func sameCatalogue(a, b catalog.Catalogue) bool {
	return string(catalog.EncodeCatalogue(a)) == string(catalog.EncodeCatalogue(b))
}

func (h *Hub) getCatalogue(c *call) error {
	e, ok, err := get(c.r.Context(), h.docs, replica.KindCatalog)
	if err != nil {
		return err
	}
	if !ok {
		return refuse(http.StatusNotFound, "catalog_not_found", "no catalogue has been applied yet; PUT /v1/catalog")
	}
	cat, err := catalog.DecodeCatalogue(e.Value)
	if err != nil {
		return err
	}
	cat.Dropping, cat.Lowering = nil, false
	return c.document(e.Rev, cat)
}

// A versionDoc is one version of a plan as it is answered.
type versionDoc struct {
	Plan     string                     `json:"plan"`
	Version  uint32                     `json:"version"`
	Newest   bool                       `json:"newest"`
	Dropped  bool                       `json:"dropped"` // the catalogue has no such plan any more
	Revision uint64                     `json:"revision"`
	Name     string                     `json:"name"`
	Base     bool                       `json:"base"`
	Allow    map[string]json.RawMessage `json:"allow"`
}

func (h *Hub) getVersions(c *call) error {
	v, err := h.fresh(c.r.Context())
	if err != nil {
		return err
	}
	plan := c.r.URL.Query().Get("plan")
	out := make([]versionDoc, 0, len(v.plans))
	for _, p := range v.plans {
		if plan != "" && p.Key != plan {
			continue
		}
		_, there := v.catalogue.Plans[p.Key]
		doc := versionDoc{Plan: p.Key, Version: p.Version, Newest: there && v.newest[p.Key].Version == p.Version,
			Dropped: !there, Revision: p.rev, Name: p.Name, Base: p.Base, Allow: map[string]json.RawMessage{}}
		for key, a := range p.Allow {
			if doc.Allow[key], err = json.Marshal(a); err != nil {
				return err
			}
		}
		out = append(out, doc)
	}
	return c.document(v.catRev, struct {
		Versions []versionDoc `json:"versions"`
		Revision uint64       `json:"revision"` // of the catalogue
	}{out, v.catRev})
}
