package store

import (
	"context"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// CreateScope creates a private scope in o.IPAM. may says whether the caller may.
func (s *Store) CreateScope(ctx context.Context, t Token, o ipam.Scope, may func(*ipam.IPAM) error) (*ipam.Scope, error) {
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return nil, err
	}
	key := func(t Token) table.Key { return items.ScopeKey(s.deriveID(ipam.IDScope, t)) }
	err = s.create(ctx, t, &o, key, func(t Token) ([]table.Write, error) {
		above, err := readOne(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, err
		}
		if err := may(above); err != nil {
			return nil, err
		}
		if err := above.Require(ipam.ActUse); err != nil {
			return nil, err
		}
		if above.ScopeCount >= s.o.Quotas.ScopesPerIPAM {
			return nil, ipam.LimitExceeded("scopes in ipam "+above.ID, above.ScopeCount, s.o.Quotas.ScopesPerIPAM)
		}
		o.Owner = above.Owner
		o.Meta = s.newMeta(o.Meta, s.deriveID(ipam.IDScope, t))
		o.Type = ipam.ScopePrivate
		writes := append(ownedWrites(items.ScopeKey(o.ID), &o.Meta, items.EncodeScope(&o)), scopeRoots(o.ID, table.OpPut)...)
		// The tier is changed only while no scope is being made.
		count := raiseRevision(items.IPAMKey(o.IPAM), above.Rev)
		count.Add[items.AttrScopeCount] = 1
		count.If.Below = map[string]int64{items.AttrScopeCount: s.o.Quotas.ScopesPerIPAM}
		return append(writes, count), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// ModifyScope applies change to a scope, as [Store.ModifyIPAM] does to an IPAM.
func (s *Store) ModifyScope(ctx context.Context, id string, act ipam.Act, change func(*ipam.Scope) error) (*ipam.Scope, error) {
	return modify(ctx, s, scopeEntity, modification[ipam.Scope]{id: id, act: act, change: change})
}

// DeleteScope deletes a scope without pools.
func (s *Store) DeleteScope(ctx context.Context, id string, may func(*ipam.Scope) error) (*ipam.Scope, error) {
	var o *ipam.Scope
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]table.Write, error) {
		found, err := readOne(ctx, s.Scopes, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if o.Default {
			return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The scope %s is the default %s scope of %s and cannot be deleted. It goes with its IPAM.", id, o.Type, o.IPAM)
		}
		if err := o.Require(ipam.ActDelete); err != nil {
			return nil, err
		}
		if o.PoolCount > 0 {
			return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. There are %d pools in the scope; delete them first.", id, o.PoolCount)
		}
		if used, err := s.hasResources(ctx, id); err != nil {
			return nil, err
		} else if used {
			return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. There are resources in the scope; move them to another one with ModifyIpamResourceCidr first.", id)
		}
		return append(s.endScope(o), table.Write{Op: table.OpUpdate, Key: items.IPAMKey(o.IPAM), Add: map[string]int64{items.AttrScopeCount: -1}, If: table.Cond{Present: true}}), nil
	})
	if err != nil {
		return nil, err
	}
	o.State = ipam.StateDeleteComplete
	return o, nil
}

// scopeUnchanged returns the attributes of a scope without pools, as it was read. A
// resource that moves there raises the revision.
func scopeUnchanged(o *ipam.Scope) table.Item {
	i := zeroCounts(items.AttrPoolCount)
	i[items.AttrRev] = table.Num(o.Rev)
	return i
}

// hasResources reports whether a scope has resources or interfaces.
func (s *Store) hasResources(ctx context.Context, scope string) (bool, error) {
	for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		for _, t := range []ipam.ResourceType{ipam.ResourceVPC, ipam.ResourceInterface} {
			rows, _, err := s.table.Query(ctx, items.ResourceRows(scope, f, t).Page("", 1))
			if err != nil || len(rows) > 0 {
				return len(rows) > 0, err
			}
		}
	}
	return false, nil
}

func (s *Store) endScope(o *ipam.Scope) []table.Write {
	return append(deleteOwnedWrites(items.ScopeKey(o.ID), &o.Meta, table.Cond{Equal: scopeUnchanged(o)}), scopeRoots(o.ID, table.OpDelete)...)
}
