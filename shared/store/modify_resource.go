package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// ModifyResourceCIDR is a request to monitor or to ignore a VPC's CIDR, or to move it
// to another scope.
type ModifyResourceCIDR struct {
	Scope       string // the scope that has the CIDR
	ResourceID  string
	CIDR        netip.Prefix
	Region      string
	Monitored   bool
	Destination string // another scope, or ""

	// May says whether the caller may; dest is nil if there is none. A scope that does
	// not exist is a NotFound error before May is called.
	May func(scope, dest *ipam.Scope) error
}

// ModifyResourceCIDR changes whether a VPC's CIDR is monitored, and in which scope it
// is; the subnets and interfaces in it follow. The allocation of a CIDR that is
// ignored or moved is released at once, and its space is no longer held.
//
// Only the CIDRs of VPCs are ignored and moved, and only in private scopes (VPC IPAM
// User Guide, "Move VPC CIDRs between scopes", "Change the monitoring state").
func (s *Store) ModifyResourceCIDR(ctx context.Context, q ModifyResourceCIDR) (*ipam.ResourceCIDR, error) {
	snap, err := s.readForModifyResource(ctx, q)
	if err != nil {
		return nil, err
	}
	change := decideModifyResource(snap, q)
	if err := s.moveResource(ctx, snap.discovery, snap.ipams, snap.row.Resource, func(targets []ipam.Target) ([]table.Write, error) {
		return s.retarget(snap, change, targets, q)
	}); err != nil {
		return nil, err
	}
	q.Scope = change.scope
	if now, err := s.readResource(ctx, q); err == nil {
		return now, nil
	}
	snap.row.Scope, snap.row.Ignored = change.scope, change.ignored // it is written, even if it cannot be read
	return snap.row, nil
}

// modifyResourceSnapshot is the input of decideModifyResource.
type modifyResourceSnapshot struct {
	scope, dest *ipam.Scope // dest is nil if the CIDR stays in its scope
	row         *ipam.ResourceCIDR
	discovery   *ipam.Discovery // the one whose row it is
	ipams       []*ipam.IPAM    // those of the discovery
}

func (s *Store) readForModifyResource(ctx context.Context, q ModifyResourceCIDR) (snap modifyResourceSnapshot, err error) {
	if snap.scope, err = readOne(ctx, s.Scopes, q.Scope); err != nil {
		return snap, err
	}
	if q.Destination != "" && q.Destination != q.Scope {
		if snap.dest, err = readOne(ctx, s.Scopes, q.Destination); err != nil {
			return snap, err
		}
	}
	if err := q.May(snap.scope, snap.dest); err != nil {
		return snap, err
	}
	if snap.row, err = s.readResource(ctx, q); err != nil {
		return snap, err
	}
	if err := q.check(snap); err != nil {
		return snap, err
	}
	if snap.discovery, err = readOne(ctx, s.Discoveries, snap.row.Discovery); err != nil {
		if isNotFound(err) {
			err = q.notFound() // the rows of a deleted discovery go, too
		}
		return snap, err
	}
	snap.ipams, err = s.IPAMs(ctx, snap.discovery.IPAMs)
	return snap, err
}

// check refuses a request by the types and owners of the scopes and of the resource.
func (q ModifyResourceCIDR) check(snap modifyResourceSnapshot) error {
	scope, dest, row := snap.scope, snap.dest, snap.row
	switch {
	case scope.Type != ipam.ScopePrivate:
		return ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource %s is in a public scope, where resources are neither ignored nor moved.", q.ResourceID)
	case row.Type != ipam.ResourceVPC:
		return ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource %s is a %s. Only the CIDRs of VPCs are ignored and moved; the subnets and interfaces in a VPC follow.", q.ResourceID, row.Type)
	case dest != nil && dest.Type != ipam.ScopePrivate:
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "The scope %s is public. A VPC's CIDR is moved to a private scope.", dest.ID)
	case dest != nil && (dest.IPAM != scope.IPAM || dest.Owner != scope.Owner):
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "The scopes %s and %s are of different IPAMs. A CIDR is moved within one.", scope.ID, dest.ID)
	case dest != nil && !q.Monitored:
		return ipam.Errorf(ipam.CodeInvalidParameterCombination, "The parameter 'DestinationIpamScopeId' may not be used with 'Monitored' false. Ignore the CIDR where it is, or move it and go on watching it.")
	}
	return nil
}

// modifyResourceChange is the state of a CIDR after a request.
type modifyResourceChange struct {
	scope      string // the scope that has it afterwards
	ignored    bool
	scopeStays bool // the scope is not a default one: the write checks that it still exists
}

func decideModifyResource(snap modifyResourceSnapshot, q ModifyResourceCIDR) modifyResourceChange {
	c := modifyResourceChange{scope: q.Scope, ignored: !q.Monitored}
	if snap.dest != nil {
		c.scope, c.scopeStays = snap.dest.ID, !snap.dest.Default
	}
	return c
}

// retarget changes the CIDR's target in the scope's IPAM, and returns the writes that
// go with it: the note by which the contents of the VPC follow. It returns none if the
// target is as it should be.
func (s *Store) retarget(snap modifyResourceSnapshot, c modifyResourceChange, targets []ipam.Target, q ModifyResourceCIDR) ([]table.Write, error) {
	i := slices.IndexFunc(targets, func(t ipam.Target) bool { return t.IPAM == snap.scope.IPAM })
	if i < 0 {
		return nil, q.notFound() // the IPAM no longer sees it, and its row goes
	}
	t := &targets[i]
	if t.Scope == c.scope && t.Ignored == c.ignored {
		return nil, nil
	}
	moved := t.Scope != c.scope
	t.Scope, t.Ignored = c.scope, c.ignored
	writes := []table.Write{s.accountPurgeNote(snap.discovery.ID, snap.row.Region, snap.row.Owner)}
	if moved && c.scopeStays {
		writes = append(writes, scopeStays(c.scope))
	}
	return writes, nil
}

// moveResource changes the targets of a found CIDR with move, and then moves its
// contents after it.
func (s *Store) moveResource(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource, move func([]ipam.Target) ([]table.Write, error)) error {
	now := s.o.Now().UnixMilli()
	changed, err := s.observe(ctx, d.ID, ipams, r, func(have *ipam.Found) (ipam.Resource, int64, bool) {
		if have == nil {
			return ipam.Resource{}, 0, false
		}
		return have.Resource, max(have.Sampled, now), true
	}, move)
	if !changed {
		return err
	}
	// The CIDR's own change is written. If this fails, the work note moves the contents.
	_ = s.moveContents(ctx, d, ipams, r)
	return nil
}

// moveContents moves the subnets and interfaces in a VPC's CIDR to the VPC's scope.
func (s *Store) moveContents(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource) error {
	inside := []ipam.ResourceType{ipam.ResourceSubnet, ipam.ResourceInterface}
	for _, t := range inside {
		rows := table.Rows(ctx, s.table, items.FoundRowsOf(d.ID, r.Region, r.Owner, t, ""))
		for f, err := range decoded(rows, items.DecodeFound) {
			if err != nil {
				return err
			}
			if f.VPC == r.VPC && ipam.Within(f.CIDR, r.CIDR) {
				if err := s.observeAgain(ctx, d, ipams, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// emptyScope moves all resources of a scope to the scope home of the same IPAM.
func (s *Store) emptyScope(ctx context.Context, scope *ipam.Scope, home string) error {
	for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		for _, t := range []ipam.ResourceType{ipam.ResourceVPC, ipam.ResourceInterface} {
			rows := table.Rows(ctx, s.table, items.ResourceRows(scope.ID, f, t))
			for r, err := range decoded(rows, items.DecodeResource) { // address order: a VPC comes before its contents
				if err != nil {
					return err
				}
				if err := s.moveToDefaultScope(ctx, scope, r, home); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Store) moveToDefaultScope(ctx context.Context, scope *ipam.Scope, r *ipam.ResourceCIDR, home string) error {
	d, err := readOne(ctx, s.Discoveries, r.Discovery)
	if err != nil {
		if isNotFound(err) {
			return nil // its rows are being deleted
		}
		return err
	}
	ipams, err := s.IPAMs(ctx, d.IPAMs)
	if err != nil {
		return err
	}
	_, err = s.observe(ctx, d.ID, ipams, r.Resource, asLastSeen, func(targets []ipam.Target) ([]table.Write, error) {
		for i, t := range targets {
			if t.IPAM == scope.IPAM && t.Scope == scope.ID {
				targets[i].Scope = home
			}
		}
		return nil, nil
	})
	return err
}

// readResource returns the row that a request names, or the error notFound.
func (s *Store) readResource(ctx context.Context, q ModifyResourceCIDR) (*ipam.ResourceCIDR, error) {
	k := items.LiveKey(q.Scope, &ipam.Resource{Type: ipam.ResourceVPC, ID: q.ResourceID, Region: q.Region, CIDR: q.CIDR}) // the same for all types that take space
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return nil, err
	}
	if read[k] != nil {
		return items.DecodeResource(table.Row{Key: k, Item: read[k]})
	}
	return nil, q.notFound()
}

// notFound is the error for a resource that the scope does not have.
func (q ModifyResourceCIDR) notFound() error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "There is no resource %s with the CIDR %s of Region %s in %s. GetIpamResourceCidrs lists the resources there.", q.ResourceID, q.CIDR, q.Region, q.Scope)
}
