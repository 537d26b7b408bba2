package migration

import (
	"slices"
)

// resourceKey identifies a CIDR of a resource.
type resourceKey struct{ id, cidr string }

// place is the scope in which a resource is, and whether it is ignored there.
type place struct {
	scope   *scopeTarget
	ignored bool
}

// resources plans the resources that are to be ignored, monitored again or moved, and puts
// all live resources where they are then.
func (p *planner) resources() {
	now := map[resourceKey]place{}
	for _, s := range p.scopes {
		if s.current == nil {
			continue
		}
		for _, r := range p.current.Live[s.current.ID] {
			now[resourceKey{r.ID, r.CIDR.String()}] = place{s, r.ignored()}
		}
	}
	then := map[resourceKey]place{}
	for _, s := range p.scopes {
		if s.wanted == nil {
			continue
		}
		for _, w := range s.wanted.Resources {
			p.resource(s, w, now, then)
		}
	}
	for _, s := range p.scopes {
		if s.current == nil {
			continue
		}
		for _, r := range p.current.Live[s.current.ID] {
			at := now[resourceKey{r.ID, r.CIDR.String()}]
			if changed, ok := then[resourceKey{r.ID, r.CIDR.String()}]; ok {
				at = changed
			}
			if at.ignored {
				continue
			}
			var all []Live
			if have := at.scope.live.get(r.CIDR); have != nil {
				all = *have
			}
			at.scope.live.put(r.CIDR, append(slices.Clip(all), r))
		}
	}
}

// resource plans the setting of a resource in a scope.
func (p *planner) resource(s *scopeTarget, w *Resource, now, then map[resourceKey]place) {
	c, f := parseCIDR(w.CIDR)
	key := resourceKey{w.ID, c.String()}
	have, seen := now[key]
	_, twice := then[key]
	switch {
	case f != nil:
	case s.fault != nil:
		f = s.fault
	case twice:
		f = faultf(KindDuplicate, "Keep one of them.", "The document has the resource twice.")
	case !seen:
		f = faultf(KindNotSeen, "Repeat the import when discovery has read the account, or leave the line out.", "Discovery has not seen %s with this CIDR.", excerpt(w.ID))
	case have.scope == s && have.ignored == w.Ignored:
		p.plan.Present++
		then[key] = have
		return
	}
	if f != nil {
		p.find(w.Line, w.CIDR, f)
		return
	}
	then[key] = place{s, w.Ignored}
	p.step(Step{Operation: "ModifyIpamResourceCidr", phase: phaseResources, scope: s, from: have.scope, resource: w, cidr: c})
}
