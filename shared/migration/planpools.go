package migration

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// pools finds the pools of a scope in the deployment, and plans the others, sources
// first.
func (p *planner) pools(s *scopeTarget) {
	have := map[string]*poolTarget{} // by name
	if s.current != nil {
		for _, c := range s.current.Pools {
			t := &poolTarget{id: c.ID, name: c.Name, family: c.Family, locale: c.Locale, scope: s, source: have[c.Source], current: c, shares: c.Shares}
			t.depth = depthUnder(t.source)
			have[c.Name] = t
			s.pools = append(s.pools, t)
		}
	}
	if s.wanted == nil {
		return
	}
	found := map[string]*poolTarget{} // by the name in the document
	level := p.references(s, have, found)
	for len(level) > 0 {
		var ready, rest []*Pool
		for _, w := range level {
			if w.Source == "" || found[w.Source] != nil {
				ready = append(ready, w)
			} else {
				rest = append(rest, w)
			}
		}
		if len(ready) == 0 {
			p.unknownSources(s, rest, have, found)
			level = slices.DeleteFunc(rest, func(w *Pool) bool { return found[w.Name] != nil })
			continue
		}
		p.level(s, ready, found)
		level = rest
	}
}

func depthUnder(source *poolTarget) int {
	if source == nil {
		return 1
	}
	return source.depth + 1
}

// references finds the pools that the document only names, and returns those that it
// describes.
func (p *planner) references(s *scopeTarget, have, found map[string]*poolTarget) (described []*Pool) {
	seen := map[string]*Pool{}
	for _, w := range s.wanted.Pools {
		if first := seen[w.Name]; first != nil {
			p.find(w.Line, w.Name, faultf(KindDuplicate, "Give one of the pools another name.", "The scope has two pools of this name in the document."))
			continue
		}
		seen[w.Name] = w
		if !w.Existing {
			described = append(described, w)
			continue
		}
		t := have[w.Name]
		if t == nil {
			if i := slices.IndexFunc(s.pools, func(t *poolTarget) bool { return t.id == w.Name }); i >= 0 {
				t = s.pools[i]
			}
		}
		if t == nil {
			f := faultf(KindUnknown, "Correct the name, or add the pool to the document.", "There is no pool %s in the scope %s.", excerpt(w.Name), excerpt(s.name))
			if w.Faulty {
				f = dependsOn(rowPool, w.Name, w.Line)
			}
			t = &poolTarget{name: w.Name, scope: s, fault: f}
			s.pools = append(s.pools, t)
		}
		t.wanted = w
		found[w.Name] = t
	}
	return described
}

// unknownSources handles pools whose source is not among those found so far: it is a pool
// of the deployment that the document does not name otherwise, or there is none.
func (p *planner) unknownSources(s *scopeTarget, rest []*Pool, have, found map[string]*poolTarget) {
	names := map[string]bool{}
	for _, w := range rest {
		names[w.Name] = true
	}
	progress := false
	for _, w := range rest {
		if found[w.Source] != nil || names[w.Source] {
			continue
		}
		progress = true
		t := have[w.Source]
		if i := slices.IndexFunc(s.pools, func(t *poolTarget) bool { return t.id != "" && t.id == w.Source }); t == nil && i >= 0 {
			t = s.pools[i]
		}
		if t == nil {
			t = &poolTarget{name: w.Source, scope: s, fault: faultf(KindUnknown, "Correct the name, or add the pool to the document.", "There is no pool %s in the scope %s.", excerpt(w.Source), excerpt(s.name))}
		}
		found[w.Source] = t
	}
	if progress {
		return
	}
	for _, w := range rest { // a circle
		f := faultf(KindSetting, "Give one of the pools another source.", "The pool is its own source, by way of %s.", excerpt(w.Source))
		p.find(w.Line, w.Name, f)
		t := &poolTarget{name: w.Name, scope: s, wanted: w, fault: dependsOn(rowPool, w.Name, w.Line)}
		found[w.Name] = t
		s.pools = append(s.pools, t)
	}
}

// level finds or plans pools whose sources are known.
func (p *planner) level(s *scopeTarget, ready []*Pool, found map[string]*poolTarget) {
	free := map[*poolTarget][]*poolTarget{} // pools of the deployment that no pool of the document is yet, by source
	for _, t := range s.pools {
		if t.current != nil && t.wanted == nil {
			free[t.source] = append(free[t.source], t)
		}
	}
	match := func(w *Pool, test func(c *Pool) bool) {
		source := found[w.Source]
		if found[w.Name] != nil || source != nil && source.current == nil {
			return
		}
		i := slices.IndexFunc(free[source], func(t *poolTarget) bool { return t.wanted == nil && test(t.current) })
		if i >= 0 {
			t := free[source][i]
			t.wanted, found[w.Name] = w, t
		}
	}
	for _, w := range ready {
		match(w, func(c *Pool) bool {
			return slices.ContainsFunc(w.CIDRs, func(s string) bool { return slices.Contains(c.CIDRs, s) })
		})
	}
	for _, w := range ready {
		match(w, func(c *Pool) bool {
			return plainName(c.Tags) == plainName(w.allTags()) && equalPools(w, c, found[w.Source]) && (plainName(c.Tags) != "" || len(c.CIDRs) == 0)
		})
	}
	for _, w := range ready {
		match(w, func(c *Pool) bool {
			name := plainName(w.allTags())
			same := func(t *poolTarget) bool { return t.wanted == nil && plainName(t.current.Tags) == name }
			rival := func(o *Pool) bool {
				return found[o.Name] == nil && o.Source == w.Source && plainName(o.allTags()) == name
			}
			return name != "" && name == plainName(c.Tags) && countFunc(free[found[w.Source]], same) == 1 && countFunc(ready, rival) == 1
		})
	}
	equal := map[string]int{}
	for _, w := range ready {
		bare := *w
		bare.Name, bare.CIDRs, bare.Shares, bare.Allocations, bare.Tags = "", nil, nil, nil, w.allTags()
		key := sum(bare)
		number := equal[key]
		equal[key]++
		if t := found[w.Name]; t != nil {
			p.presentPool(t, w)
			continue
		}
		t := &poolTarget{name: w.Name, scope: s, source: found[w.Source], wanted: w, number: number}
		found[w.Name] = t
		s.pools = append(s.pools, t)
		p.newPool(t)
	}
}

func countFunc[T any](list []T, f func(T) bool) (n int) {
	for _, x := range list {
		if f(x) {
			n++
		}
	}
	return n
}

// equalPools reports whether a pool of the deployment has the settings of one in the
// document.
func equalPools(w, c *Pool, source *poolTarget) bool { return len(poolDiffers(w, c, source)) == 0 }

// poolDiffers returns the names of the settings that differ.
func poolDiffers(w, c *Pool, source *poolTarget) (differs []string) {
	family, locale, publicSource := w.Family, w.Locale, w.PublicIPSource
	if family == "" {
		family = c.Family // found by a CIDR, or of the source
	}
	if source != nil {
		locale = cmp.Or(locale, source.locale)
	}
	if publicSource == "" {
		publicSource = c.PublicIPSource // the default of the scope, or the source's
	}
	for _, m := range []struct {
		name  string
		equal bool
	}{
		{"address family", family == c.Family},
		{"locale", locale == c.Locale},
		{"description", w.Description == c.Description},
		{"automatic import", w.AutoImport == c.AutoImport},
		{"publicly advertisable", w.PubliclyAdvertisable == nil || c.PubliclyAdvertisable != nil && *w.PubliclyAdvertisable == *c.PubliclyAdvertisable},
		{"AWS service", w.AWSService == c.AWSService},
		{"public IP source", publicSource == c.PublicIPSource},
		{"netmask lengths", equalInts(w.MinLength, c.MinLength) && equalInts(w.MaxLength, c.MaxLength) && equalInts(w.DefaultLength, c.DefaultLength)},
		{"resource tags", maps.Equal(w.RuleTags, c.RuleTags)},
		{"source resource", (w.SourceResource == nil) == (c.SourceResource == nil) && (c.SourceResource == nil || *w.SourceResource == *c.SourceResource)},
		{"tags", maps.Equal(w.allTags(), c.allTags())},
	} {
		if !m.equal {
			differs = append(differs, m.name)
		}
	}
	return differs
}

func equalInts(a, b *int) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// presentPool compares a pool of the deployment with the document.
func (p *planner) presentPool(t *poolTarget, w *Pool) {
	if w.Faulty || t.current == nil {
		if t.fault == nil {
			t.fault = dependsOn(rowPool, w.Name, w.Line)
		}
		return
	}
	differs := poolDiffers(w, t.current, t.source)
	p.differs(w.Line, w.Name, rowPool, differs)
	if len(differs) == 0 {
		p.plan.Present++
	}
}

// newPool plans the creation of a pool.
func (p *planner) newPool(t *poolTarget) {
	w := t.wanted
	f := cmp.Or(t.scope.fault, p.checkPool(t))
	if t.source != nil && t.source.fault != nil {
		f = t.source.fault
	}
	if f != nil && !w.Faulty {
		p.find(w.Line, w.Name, f)
	}
	if f != nil || w.Faulty {
		t.fault = dependsOn(rowPool, w.Name, w.Line)
		return
	}
	p.step(Step{Operation: "CreateIpamPool", phase: phasePools + 2*(t.depth-1), pool: t})
}

// checkPool completes the target, and returns a fault of the pool that is to be created.
func (p *planner) checkPool(t *poolTarget) *fault {
	w, limits := t.wanted, p.current.Quotas
	var above *Pool
	if t.source != nil {
		above = &Pool{Family: t.source.family}
	}
	t.family, t.locale, t.depth = w.family(above), w.Locale, depthUnder(t.source)
	if f := cmp.Or(checkText(w.Description), checkTags(w.allTags(), limits.Tags), checkTags(w.RuleTags, limits.Tags)); f != nil {
		return f
	}
	if ipam.ParseFamily(t.family) == 0 {
		return faultf(KindFamily, "Write ipv4 or ipv6.", "%q is no address family.", excerpt(t.family))
	}
	if f := checkRules(w, t.family); f != nil {
		return f
	}
	if f := p.checkSource(t); f != nil {
		return f
	}
	if t.locale != "" && !slices.Contains(p.regions, t.locale) && (t.locale != "Global" || w.AWSService != "global-services") {
		return faultf(KindSetting, "Write one of them, or add the Region to the IPAM.", "The locale %s is no operating Region. These are %s.", excerpt(t.locale), strings.Join(slices.Sorted(slices.Values(p.regions)), ", "))
	}
	if t.scope.name == PublicScope && w.AutoImport || t.scope.name != PublicScope && (w.AWSService != "" || w.PublicIPSource != "") {
		return faultf(KindSetting, "Leave the setting out, or import the pool into the other scope.", "Only pools of private scopes import resources, and only those of the public scope have an AWS service and a public IP source.")
	}
	if n := int64(countFunc(t.scope.pools, func(o *poolTarget) bool { return o.fault == nil })); n > limits.PoolsPerScope {
		return faultf(KindQuota, "Have the quota pools_per_scope of the deployment raised, or leave the pool out.", "The scope %s would have %d pools, and at most %d are possible.", t.scope.name, n, limits.PoolsPerScope)
	}
	if int64(t.depth) > limits.PoolDepth {
		return faultf(KindQuota, "Have the quota pool_depth of the deployment raised, or give it another source.", "The pool would be %d pools deep, and at most %d are possible.", t.depth, limits.PoolDepth)
	}
	return nil
}

// checkSource returns a fault of a pool that cannot be under its source.
func (p *planner) checkSource(t *poolTarget) *fault {
	w := t.wanted
	if t.source == nil {
		if w.SourceResource != nil {
			return faultf(KindSetting, "Name the pool that the VPC has its CIDR from as its source.", "A pool for a VPC's subnets needs a source pool.")
		}
		return nil
	}
	if t.source.family != t.family {
		return faultf(KindFamily, "Give it another source.", "The pool is of %s and its source %s of %s.", t.family, t.source.name, t.source.family)
	}
	if t.locale = cmp.Or(t.locale, t.source.locale); t.source.locale != "" && t.locale != t.source.locale {
		return faultf(KindSetting, "Leave the locale out, or give it another source.", "The locale is %s, and that of the source %s is %s.", t.locale, t.source.name, t.source.locale)
	}
	r := w.SourceResource
	if r == nil {
		return nil
	}
	live := p.current.Live[t.scope.id]
	if !slices.ContainsFunc(live, func(l Live) bool { return l.ID == r.ID && l.PoolID != "" && l.PoolID == t.source.id }) {
		return faultf(KindNotSeen, "Import the source first, wait until discovery has seen the VPC, and repeat the import.", "Discovery has not seen the VPC %s with a CIDR from the pool %s.", excerpt(r.ID), t.source.name)
	}
	return nil
}

// cidrs plans the CIDRs and shares of a scope's pools. Those of the deployment are taken
// first; then those of the document, sources first.
func (p *planner) cidrs(s *scopeTarget) {
	for _, t := range s.pools {
		if t.current != nil {
			p.takePresent(t)
		}
	}
	if s.wanted == nil {
		return
	}
	pools := slices.DeleteFunc(slices.Clone(s.pools), func(t *poolTarget) bool { return t.wanted == nil || t.fault != nil })
	slices.SortStableFunc(pools, func(a, b *poolTarget) int { return cmp.Compare(a.depth, b.depth) })
	for _, t := range pools {
		for _, text := range t.wanted.CIDRs {
			p.cidr(t, text)
		}
		for _, principal := range t.wanted.Shares {
			p.share(t, principal)
		}
	}
}

// takePresent takes the space of a pool that the deployment has.
func (p *planner) takePresent(t *poolTarget) {
	for _, text := range t.current.CIDRs {
		if c, err := netip.ParsePrefix(text); err == nil {
			t.take(c, user{text: fmt.Sprintf("%s of the pool %s", c, t.name)})
		}
	}
	for _, a := range t.current.Allocations {
		if c, err := netip.ParsePrefix(a.CIDR); err == nil {
			t.users.put(c, user{text: fmt.Sprintf("%s, which is the allocation %s", c, a.ID), allocation: a})
		}
	}
	for _, r := range p.current.Taken[t.id] {
		t.users.put(r.CIDR, user{text: fmt.Sprintf("%s, which has %s", r.CIDR, r.By)})
	}
}

// cidr plans a CIDR of a pool.
func (p *planner) cidr(t *poolTarget, text string) {
	w := t.wanted
	c, f := parseCIDR(text)
	object := cmp.Or(text, w.Name)
	if f == nil && t.roots.get(c) != nil {
		if t.current != nil && slices.Contains(t.current.CIDRs, c.String()) {
			p.plan.Present++
			return
		}
		f = faultf(KindDuplicate, "Keep one of them.", "The pool %s has the CIDR twice in the document.", w.Name)
	}
	if f == nil {
		f = p.checkCIDR(t, c)
	}
	if f != nil {
		p.find(w.Line, object, f)
		return
	}
	t.take(c, user{line: w.Line, text: fmt.Sprintf("%s of the pool %s", c, w.Name), document: true})
	p.step(Step{Operation: "ProvisionIpamPoolCidr", phase: phasePools + 2*(t.depth-1) + 1, pool: t, cidr: c})
}

// checkCIDR returns a fault of a CIDR that a pool cannot get.
func (p *planner) checkCIDR(t *poolTarget, c netip.Prefix) *fault {
	if ipam.FamilyOf(c).String() != t.family {
		return faultf(KindFamily, "Import it into a pool of the other family.", "The pool %s is of %s.", t.name, t.family)
	}
	if limit := p.current.Quotas.CIDRsPerPool; int64(len(t.cidrs)) >= limit {
		return faultf(KindQuota, "Have the quota cidrs_per_pool of the deployment raised, or leave the CIDR out.", "The pool %s would have %d CIDRs, and at most %d are possible.", t.name, len(t.cidrs)+1, limit)
	}
	users := &t.scope.tops
	if t.source != nil {
		users = &t.source.users
		if t.source.roots.over(c) == nil {
			return faultf(KindNoPool, "Provision a larger CIDR to the source first, or correct the CIDR.", "The source pool %s has no CIDR that contains it. It has %s.", t.source.name, t.source.text())
		}
	} else if f := checkTopLevel(t.scope.name, c, p.privateGUA); f != nil {
		return f
	}
	if by := users.overlap(c); by != nil {
		return faultf(KindOverlap, "Correct one of them, or import it into another scope.", "It overlaps %s.", by)
	}
	return nil
}

// share plans a share of a pool.
func (p *planner) share(t *poolTarget, principal string) {
	parsed, ok := ipam.ParsePrincipal(principal)
	var f *fault
	switch limit := p.current.Quotas.SharesPerPool; {
	case !ok:
		f = faultf(KindAccount, "Write an account's 12 digits, or the id or ARN of an organizational unit or organisation.", "%q is no principal that a pool can be shared with.", excerpt(principal))
	case slices.Contains(t.shares, parsed.ID):
		if t.current != nil && slices.Contains(t.current.Shares, parsed.ID) {
			p.plan.Present++
		}
		return
	case parsed.ID == p.account:
		f = faultf(KindAccount, "Leave it out.", "%s owns the pool, and needs no share.", parsed.ID)
	case int64(len(t.shares)) >= limit:
		f = faultf(KindQuota, "Share the pool with an organizational unit instead.", "The pool would have %d shares, and at most %d are possible.", len(t.shares)+1, limit)
	}
	if f != nil {
		p.find(t.wanted.Line, t.name, f)
		return
	}
	t.shares = append(slices.Clone(t.shares), parsed.ID)
	p.step(Step{Operation: "PutIpamPoolShare", phase: phaseShares, pool: t, names: []string{parsed.ID}})
}
