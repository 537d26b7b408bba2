package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// ModifyResourceCIDR is a request to watch a VPC's CIDR or to ignore it, and to have it
// stand in another scope.
type ModifyResourceCIDR struct {
	Scope       string // that it stands in
	ResourceID  string
	CIDR        netip.Prefix
	Region      string
	Monitored   bool
	Destination string // another scope, or ""

	// May says whether the caller may; dest is nil if there is none. A scope
	// that does not exist is NotFound before it is asked.
	May func(scope, dest *ipam.Scope) error
}

// ModifyResourceCIDR changes whether and where a VPC's CIDR is watched; the subnets and
// interfaces in it follow. What is ignored, or moved away, has its allocation
// given back at once, and holds its space no more.
//
// Only VPCs' CIDRs are ignored and moved, and only in private scopes (VPC IPAM
// User Guide, "Move VPC CIDRs between scopes", "Change the monitoring state").
func (s *Store) ModifyResourceCIDR(ctx context.Context, q ModifyResourceCIDR) (*ipam.ResourceCIDR, error) {
	scope, err := readOne(ctx, s.Scopes, q.Scope)
	if err != nil {
		return nil, err
	}
	var dest *ipam.Scope
	if q.Destination != "" && q.Destination != q.Scope {
		if dest, err = readOne(ctx, s.Scopes, q.Destination); err != nil {
			return nil, err
		}
	}
	if err := q.May(scope, dest); err != nil {
		return nil, err
	}
	row, err := s.readResource(ctx, q)
	if err != nil {
		return nil, err
	}
	switch {
	case scope.Type != ipam.ScopePrivate:
		return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource %s is in a public scope, where resources are neither ignored nor moved.", q.ResourceID)
	case row.Type != ipam.ResourceVPC:
		return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource %s is a %s. Only the CIDRs of VPCs are ignored and moved; what is in a VPC follows.", q.ResourceID, row.Type)
	case dest != nil && dest.Type != ipam.ScopePrivate:
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The scope %s is public. A VPC's CIDR is moved to a private scope.", dest.ID)
	case dest != nil && (dest.IPAM != scope.IPAM || dest.Owner != scope.Owner):
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The scopes %s and %s are of different IPAMs. A CIDR is moved within one.", scope.ID, dest.ID)
	case dest != nil && !q.Monitored:
		return nil, ipam.Errorf(ipam.CodeInvalidParameterCombination, "The parameter 'DestinationIpamScopeId' may not be used with 'Monitored' false. Ignore the CIDR where it is, or move it and go on watching it.")
	}
	d, err := readOne(ctx, s.Discoveries, row.Discovery)
	if isNotFound(err) {
		return nil, q.notFound() // on its way out
	}
	if err != nil {
		return nil, err
	}
	ipams, err := s.IPAMs(ctx, d.IPAMs)
	if err != nil {
		return nil, err
	}
	at := q.Scope
	if dest != nil {
		at = dest.ID
	}
	move := func(targets []ipam.Target) ([]table.Write, error) {
		i := slices.IndexFunc(targets, func(t ipam.Target) bool { return t.IPAM == scope.IPAM })
		if i < 0 {
			return nil, q.notFound() // on its way out
		}
		if targets[i].Scope == at && targets[i].Ignored == !q.Monitored {
			return nil, nil
		}
		moved := targets[i].Scope != at
		targets[i].Scope, targets[i].Ignored = at, !q.Monitored
		writes := []table.Write{s.accountPurgeNote(d.ID, row.Region, row.Owner)} // what is in the VPC follows
		if moved && dest != nil && !dest.Default {
			writes = append(writes, scopeStays(at))
		}
		return writes, nil
	}
	if err := s.moveResource(ctx, d, ipams, row.Resource, move); err != nil {
		return nil, err
	}
	q.Scope = at
	if now, err := s.readResource(ctx, q); err == nil {
		return now, nil
	}
	row.Scope, row.Ignored = at, !q.Monitored // it is written, whatever can be read
	return row, nil
}

// moveResource has move change the targets of what was found, and then has what is
// in it follow.
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
	// It is written. What follows the notes have done too, if this does not.
	_ = s.moveContents(ctx, d, ipams, r)
	return nil
}

// moveContents has what is in a VPC's CIDR stand where that does.
func (s *Store) moveContents(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource) error {
	inside := []ipam.ResourceType{ipam.ResourceSubnet, ipam.ResourceInterface}
	for _, t := range inside {
		q := table.Query{PK: items.FoundPK(d.ID, r.Region, r.Owner), From: string(t) + "#", To: string(t) + "#~"}
		for {
			found, next, err := queryDecoded(ctx, s, q, items.DecodeFound)
			if err != nil {
				return err
			}
			for _, f := range found {
				if f.VPC == r.VPC && ipam.Within(f.CIDR, r.CIDR) {
					if err := s.observeAgain(ctx, d, ipams, f); err != nil {
						return err
					}
				}
			}
			if q.After = next; next == "" {
				break
			}
		}
	}
	return nil
}

// emptyScope has what stands in a scope stand in the scope home of the same IPAM.
func (s *Store) emptyScope(ctx context.Context, scope *ipam.Scope, home string) error {
	for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		for _, list := range []func(context.Context, string, ipam.Family, string, int) ([]*ipam.ResourceCIDR, string, error){s.Resources, s.Interfaces} {
			for after := ""; ; {
				rows, next, err := list(ctx, scope.ID, f, after, 0)
				if err != nil {
					return err
				}
				for _, r := range rows { // a VPC before what is in it
					if err := s.moveToDefaultScope(ctx, scope, r, home); err != nil {
						return err
					}
				}
				if after = next; after == "" {
					break
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
			return nil // what it found is on its way out
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

// readResource returns the row that a request is about.
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

// notFound is the error of a request about what is not there.
func (q ModifyResourceCIDR) notFound() error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "There is no resource %s with the CIDR %s of Region %s in %s. GetIpamResourceCidrs lists those that there are.", q.ResourceID, q.CIDR, q.Region, q.Scope)
}
