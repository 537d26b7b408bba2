package items

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Past is the state of a row before a change: a taken block of a space, a CIDR of a pool,
// or a resource's CIDR. A map of the past takes the present rows and undoes the changes
// since its time.
//
// The rows' own times would not do: a block has none, and a resource's Since says nothing
// of the states before it. A record of the change has the state before it, so a row that
// never changes needs none, and its key depends on the change alone, so the stream may send
// it again.
type Past struct {
	Rows     PastRows
	Row      string // sort key of the row
	At       int64  // time of the change, Unix seconds, as the stream has it
	Sequence string // of the change; it orders those of one second

	Block    *ipam.PastBlock    // before the change; nil for no row, and for a resource
	Resource *ipam.ResourceCIDR // before the change; nil for no row, and for a block
}

// PastRows names the rows of one kind that have a partition of their own in the past.
type PastRows string

const pastPK = "PAST"

// PastBlocks returns the name of the taken blocks of a space.
func PastBlocks(space ipam.SpaceID) PastRows { return PastRows("BLOCK#" + string(space)) }

// PastCIDRs returns the name of the CIDRs of a pool.
func PastCIDRs(pool string) PastRows { return PastRows("CIDR#" + pool) }

// PastResources returns the name of the resources of one family of a scope.
func PastResources(scope string, f ipam.Family) PastRows {
	return PastRows("LIVE#" + string(ipam.ScopeSpace(scope, f)))
}

func (r PastRows) pk() string { return pastPK + "#" + string(r) }

// PastKey returns the key of the state of a row before a change.
func PastKey(p *Past) table.Key {
	sequence := strings.Repeat("0", max(0, sequenceDigits-len(p.Sequence))) + p.Sequence
	return table.Key{PK: p.Rows.pk(), SK: fmt.Sprintf("%s#%010d#%s", p.Row, p.At, sequence)}
}

// sequenceDigits is the greatest length of a sequence number (Amazon DynamoDB Streams API,
// StreamRecord).
const sequenceDigits = 40

// PastRetention is how long the state before a change is kept, as the history of an address
// is.
const PastRetention = historyRetention

// EncodePast returns the attributes of the state before a change. Without a document there
// was no row.
func EncodePast(p *Past) table.Item {
	i := table.Item{table.AttrExpires: table.Num(p.At + int64(PastRetention/time.Second))}
	switch {
	case p.Block != nil:
		i[AttrObject] = table.Str(JSON(p.Block))
	case p.Resource != nil:
		i[AttrObject] = table.Str(JSON(p.Resource.Resource))
		i[AttrStatus] = table.Str(JSON(p.Resource.Status))
		i[AttrSince] = table.Num(p.Resource.Since)
	}
	return i
}

// DecodePast reads the item of a state before a change.
func DecodePast(r table.Row) (*Past, error) {
	rows, _ := strings.CutPrefix(r.Key.PK, pastPK+"#")
	row, sequence, _ := cutLast(r.Key.SK)
	row, at, ok := cutLast(row)
	p := &Past{Rows: PastRows(rows), Row: row, Sequence: sequence}
	var err error
	if p.At, err = strconv.ParseInt(at, 10, 64); err != nil || !ok {
		return nil, fmt.Errorf("%s: not the key of a past state", r.Key)
	}
	document := []byte(r.Item.Str(AttrObject))
	space, isResource := strings.CutPrefix(rows, "LIVE#")
	switch {
	case len(document) == 0:
	case isResource:
		scope, _, _ := cutLast(space)
		p.Resource = &ipam.ResourceCIDR{Scope: scope, Since: r.Item.Num(AttrSince)}
		if err = json.Unmarshal(document, &p.Resource.Resource); err == nil {
			err = json.Unmarshal([]byte(r.Item.Str(AttrStatus)), &p.Resource.Status)
		}
	default:
		p.Block = new(ipam.PastBlock)
		err = json.Unmarshal(document, p.Block)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return p, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '#')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// CIDR returns the CIDR of the row.
func (p *Past) CIDR() (netip.Prefix, error) {
	parts := strings.SplitN(p.Row, "#", 3)
	return parseBlockSK(strings.Join(parts[:min(2, len(parts))], "#"))
}

// PastOfChange returns the state before a change of an item; before is nil for a new item
// and after for a deleted one. ok is false if a map of the past does not show the change.
// The caller sets the time and the sequence number.
func PastOfChange(k table.Key, before, after table.Item) (past *Past, ok bool, err error) {
	p, err := stateOf(k, before)
	if err != nil || p == nil {
		return nil, false, err
	}
	now, err := stateOf(k, after)
	return p, err == nil && !reflect.DeepEqual(p, now), err
}

// stateOf returns the state of an item, without a time. It returns nil for an item that no
// map of the past shows, of any state.
func stateOf(k table.Key, i table.Item) (p *Past, err error) {
	of, ok := strings.CutPrefix(k.PK, spacePrefix)
	row := table.Row{Key: k, Item: i}
	switch {
	case strings.HasPrefix(k.PK, LivePrefix):
		p = &Past{Rows: PastRows("LIVE#" + strings.TrimPrefix(k.PK, LivePrefix)), Row: k.SK}
		if i != nil {
			r, err := DecodeResource(row)
			if err != nil {
				return nil, err
			}
			p.Resource = r.PastOf()
		}
	case ok && strings.HasSuffix(of, takenSuffix):
		p = &Past{Rows: PastBlocks(ipam.SpaceID(strings.TrimSuffix(of, takenSuffix))), Row: k.SK}
		if i != nil {
			t, err := DecodeTaken(row)
			if err != nil {
				return nil, err
			}
			p.Block = t.PastOf()
		}
	case ok && strings.HasSuffix(of, cidrSuffix):
		pool := strings.TrimSuffix(of, cidrSuffix)
		p = &Past{Rows: PastCIDRs(pool), Row: k.SK}
		if i != nil {
			c, err := DecodePoolCIDR(pool, row)
			if err != nil {
				return nil, err
			}
			p.Block = c.PastOf()
		}
	}
	return p, nil
}

// PastRowsOf returns the query for the past states of all rows.
func PastRowsOf(rows PastRows) table.Query { return table.Query{PK: rows.pk()} }

// PastRowsIn returns the query for the past states of the rows whose CIDRs begin in p. Those
// of one row follow one another, by time.
func PastRowsIn(rows PastRows, p netip.Prefix) table.Query {
	return table.Query{PK: rows.pk(), From: addressSK(p.Addr()), To: blocksThrough(p)}
}

// PastRowsAround returns the queries for the past states of the rows whose CIDRs begin
// before p, contain it, and are in root: one for each address at which such a CIDR begins.
func PastRowsAround(rows PastRows, root, p netip.Prefix) (queries []table.Query) {
	at := p.Addr()
	for length := p.Bits() - 1; length >= root.Bits(); length-- {
		around := netip.PrefixFrom(p.Addr(), length).Masked()
		if around.Addr() == at {
			continue
		}
		at = around.Addr()
		queries = append(queries, table.Query{PK: rows.pk(), From: addressSK(at), To: blockSK(around) + "#" + last})
	}
	return queries
}

// PastBeginKey returns the key of the item that says since when past states are recorded.
func PastBeginKey() table.Key { return table.Key{PK: pastPK, SK: meta} }

// EncodePastBegin returns the attributes of that item.
func EncodePastBegin(since time.Time) table.Item {
	return table.Item{AttrSince: table.Num(since.Unix())}
}

// DecodePastBegin reads that item.
func DecodePastBegin(i table.Item) time.Time { return time.Unix(i.Num(AttrSince), 0).UTC() }
