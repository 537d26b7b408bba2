package store

import (
	"context"
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
