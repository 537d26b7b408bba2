package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// MarkRestored writes down that the table was restored from a backup, as a table that was
// created at the given time. Tokens then derive other ids than before. Once more with the
// same time changes nothing.
//
// Processes that cached the restores go on to derive the earlier ids, so it must be
// called before they use the table.
func (s *Store) MarkRestored(ctx context.Context, created time.Time) error {
	k := items.RestoresKey()
	return s.commit(ctx, "mark the table as restored", nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		have, err := items.DecodeRestores(read[k])
		if err != nil || slices.Contains(have, created.Unix()) {
			return nil, err
		}
		at := created.Unix()
		if n := len(have); n > 0 {
			at = max(at, have[n-1]+1)
		}
		return []table.Write{{Op: table.OpPut, Key: k, Item: items.EncodeRestores(append(have, at)), If: items.RestoresUnchanged(read[k])}}, nil
	})
}

// PutBack puts a thing back into the table as the table before the restore has it: with
// the same id, owner, description and tags, an allocation at its CIDR. It is one
// transaction, which overwrites nothing, or several for a block that lies too deep for
// one. A request that is sent again finds the thing there. Quotas do not count.
//
//   - The parent of the thing must be there: put the parent back first.
//   - An object loses its revisions and the counts of the things in it.
//   - A CIDR of a pool is free afterwards, except for live resources.
//   - The allocation of a resource that the table does not know as live is pending: it
//     becomes the resource's when discovery sees that, and ends when discovery has read
//     all of the account and Region without it.
//   - The allocation of a request that came as an event does not answer it again.
func (s *Store) PutBack(ctx context.Context, q PutBack) (PutBackResult, error) {
	try, err := s.lostThing(ctx, q)
	if err != nil {
		return PutBackResult{}, fmt.Errorf("put back %s: %w", q.ID, err)
	}
	var result PutBackResult
	tried := false
	err = s.commit(ctx, "put back "+q.ID, nil, func(a attempt) ([]table.Write, error) {
		now, writes, err := try(ctx)
		if err != nil {
			return nil, err
		}
		if now.Outcome == WasThere && tried && a.outcomeUnknown {
			now.Outcome = WasPutBack // by an earlier try
		}
		result, tried = now, tried || len(writes) > 0
		return writes, nil
	})
	if err != nil {
		return PutBackResult{}, err
	}
	if there := result.Outcome == WasPutBack || result.Outcome == WasThere; there && q.Kind == PutBackCIDR {
		err = s.finishPutBack(ctx, q.Pool, q.CIDR)
	}
	return result, err
}

// lostThing reads a thing from the table before the restore.
func (s *Store) lostThing(ctx context.Context, q PutBack) (putBackTry, error) {
	switch q.Kind {
	case PutBackIPAM:
		return lostObject(ctx, s, q, ipamEntity, plainIPAM, s.putBackIPAM)
	case PutBackScope:
		return lostObject(ctx, s, q, scopeEntity, plainScope, s.putBackScope)
	case PutBackPool:
		return lostObject(ctx, s, q, poolEntity, plainPool, s.putBackPool)
	case PutBackDiscovery:
		return lostObject(ctx, s, q, discoveryEntity, plainDiscovery, s.putBackDiscovery)
	case PutBackAssociation:
		return lostObject(ctx, s, q, associationEntity, plainAssociation, s.putBackAssociation)
	case PutBackResolver:
		return lostObject(ctx, s, q, resolverEntity, plainResolver, s.putBackResolver)
	case PutBackCIDR:
		return s.lostCIDR(ctx, q)
	case PutBackAllocation:
		return s.lostAllocation(ctx, q)
	}
	return noTry(IsImpossible, fmt.Sprintf("a thing of the kind %q is not put back", q.Kind)), nil
}
