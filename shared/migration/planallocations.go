package migration

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// wish is an allocation of the document. Its pool is nil if the document names none.
type wish struct {
	*Allocation
	scope *scopeTarget
	pool  *poolTarget
}

// allocations plans the allocations, in the order of the document's lines: of two that
// overlap, the later one has the finding.
func (p *planner) allocations() {
	var all []wish
	for _, s := range p.scopes {
		if s.wanted == nil {
			continue
		}
		for _, a := range s.wanted.Allocations {
			all = append(all, wish{a, s, nil})
		}
		for _, t := range s.pools {
			if t.wanted == nil {
				continue
			}
			for _, a := range t.wanted.Allocations {
				all = append(all, wish{a, s, t})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b wish) int { return cmp.Compare(a.Line, b.Line) })
	for _, w := range all {
		p.allocation(w)
	}
}

// allocation plans an allocation.
func (p *planner) allocation(w wish) {
	c, f := parseCIDR(w.CIDR)
	if f == nil {
		w.pool, f = w.findPool(c)
	}
	if f == nil {
		if u := w.pool.users.get(c); u != nil && u.allocation != nil && !u.document {
			p.presentAllocation(w, u.allocation)
			u.line, u.document = w.Line, true
			return
		}
		f = p.checkAllocation(w, c)
	}
	if f != nil {
		p.find(w.Line, cmp.Or(w.CIDR, rowAllocation), f)
		return
	}
	w.pool.users.put(c, user{line: w.Line, text: c.String(), document: true})
	p.step(Step{Operation: "AllocateIpamPoolCidr", phase: phaseAllocations, pool: w.pool, allocation: w.Allocation, owner: w.owner(p.account), cidr: c})
}

// findPool returns the pool for a CIDR: the one that the document names, or else the one
// with the smallest CIDR over it.
func (w wish) findPool(c netip.Prefix) (*poolTarget, *fault) {
	if w.scope.fault != nil {
		return nil, w.scope.fault
	}
	if w.pool == nil {
		over := w.scope.over.over(c)
		if over == nil {
			return nil, faultf(KindNoPool, "Provision a CIDR that contains it to a pool, or correct it.", "No pool of the scope %s has a CIDR that contains it.", w.scope.name)
		}
		return *over, nil
	}
	switch t := w.pool; {
	case t.fault != nil:
		return nil, t.fault
	case ipam.FamilyOf(c).String() != t.family:
		return nil, faultf(KindFamily, "Import it into a pool of the other family.", "The pool %s is of %s.", t.name, t.family)
	case t.roots.over(c) == nil:
		return nil, faultf(KindNoPool, "Provision a CIDR that contains it to the pool, name another pool, or correct it.", "The pool %s has no CIDR that contains it. It has %s.", t.name, t.text())
	}
	return w.pool, nil
}

// presentAllocation compares an allocation of the deployment with the document.
func (p *planner) presentAllocation(w wish, have *Allocation) {
	var differs []string
	if owner := w.owner(p.account); owner != have.Owner {
		differs = append(differs, "account")
	}
	if have.Description != w.Description {
		differs = append(differs, "description")
	}
	if !maps.Equal(have.Tags, w.Tags) {
		differs = append(differs, "tags")
	}
	p.differs(w.Line, w.CIDR, rowAllocation, differs)
	if len(differs) == 0 {
		p.plan.Present++
	}
}

// owner returns the account that is to own the allocation, "" for the importing one.
func (a *Allocation) owner(account string) string {
	if a.Owner == account {
		return ""
	}
	return a.Owner
}

// checkAllocation returns a fault of an allocation that the pool cannot give.
func (p *planner) checkAllocation(w wish, c netip.Prefix) *fault {
	t := w.pool
	if f := cmp.Or(checkText(w.Description), checkTags(w.Tags, p.current.Quotas.Tags), p.checkOwner(w)); f != nil {
		return f
	}
	if by := t.users.overlap(c); by != nil {
		if by.document && t.users.get(c) == by {
			return faultf(KindDuplicate, "Keep one of them.", "The document has it twice: %s.", by)
		}
		return faultf(KindOverlap, "Correct one of them, remove one, or import it into another scope.", "It overlaps %s.", by)
	}
	if f := checkLength(t.rulesOf(), c); f != nil {
		return f
	}
	return t.scope.checkLive(c, cmp.Or(w.Owner, p.account))
}

// rulesOf returns the pool with the rules that are in force: the deployment's if it has
// the pool.
func (t *poolTarget) rulesOf() *Pool {
	if t.current != nil {
		return t.current
	}
	return t.wanted
}

// checkOwner returns a fault of the account that is to own an allocation.
func (p *planner) checkOwner(w wish) *fault {
	owner := w.owner(p.account)
	if owner == "" {
		return nil
	}
	if f := checkAccount(owner); f != nil {
		return f
	}
	more := slices.ContainsFunc(w.pool.shares, func(s string) bool { return !ipam.IsAccountID(s) }) // a unit or an organisation, whose members are not known here
	if !more && !slices.Contains(w.pool.shares, owner) {
		return faultf(KindAccount, "Share the pool with it, correct the account, or leave it out: the importing account then owns the allocation.", "The pool %s is not shared with the account %s.", w.pool.name, owner)
	}
	if !p.o.OtherAccounts {
		return faultf(KindOtherAccount, "Name a role of the other accounts with --role, or leave the account out: the importing account then owns the allocation.",
			"The account %s is to own it, and the import has the credentials of %s only.", owner, cmp.Or(p.account, "another account"))
	}
	return nil
}

// checkLive returns a fault of a CIDR that a resource of another account uses, or one that
// is not all inside.
func (t *scopeTarget) checkLive(c netip.Prefix, owner string) *fault {
	var f *fault
	t.live.each(c, func(all *[]Live) bool {
		for _, r := range *all {
			if r.Owner != owner || !ipam.Within(r.CIDR, c) {
				f = faultf(KindLive, "Leave the line out, and let discovery take the resource in; or ignore the resource with ModifyIpamResourceCidr.",
					"%s of the account %s in %s is live at %s.", r.ID, r.Owner, r.Region, r.CIDR)
				return false
			}
		}
		return true
	})
	return f
}

// String describes the step for a person.
func (s Step) String() string {
	switch {
	case s.allocation != nil:
		return fmt.Sprintf("%s %s in the pool %s", s.Operation, s.cidr, s.pool.name)
	case s.pool != nil && s.cidr.IsValid():
		return fmt.Sprintf("%s %s to the pool %s", s.Operation, s.cidr, s.pool.name)
	case s.pool != nil:
		return fmt.Sprintf("%s %s", s.Operation, s.pool.name)
	case s.resource != nil:
		return fmt.Sprintf("%s %s of %s", s.Operation, s.cidr, s.resource.ID)
	case s.scope != nil:
		return fmt.Sprintf("%s %s", s.Operation, s.scope.name)
	}
	return s.Operation
}
