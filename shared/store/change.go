package store

import (
	"context"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// PutChanges writes the changes of a scope, see [ipam.Changes]. A change always has the
// same key, so it can be written again.
func (s *Store) PutChanges(ctx context.Context, scope string, changes ...ipam.HistoryRecord) error {
	if len(changes) == 0 {
		return nil
	}
	return s.commit(ctx, "record changes of "+scope, nil, func(attempt) ([]table.Write, error) {
		var writes []table.Write
		for _, r := range changes {
			writes = append(writes, table.Write{Op: table.OpPut, Key: items.ChangeKey(scope, &r), Item: items.EncodeChange(r)})
		}
		return writes, nil
	})
}

// Changes returns the changes of a scope since a time, the last first, at most limit, and
// whether there are more. It takes one query; limit is small enough for one answer.
func (s *Store) Changes(ctx context.Context, scope string, since time.Time, limit int) (changes []*ipam.HistoryRecord, more bool, err error) {
	changes, _, err = queryDecoded(ctx, s, items.ChangeRows(scope, since).Page("", limit+1), items.DecodeChange)
	return changes[:min(len(changes), limit)], len(changes) > limit, err
}
