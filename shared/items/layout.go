package items

import (
	"strconv"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Layout is the state of the table's layout: which encodings its items have. The
// table has one item of it.
type Layout struct {
	Number int64 // the layout of every item; no item is older
	Next   int64 // the layout to which an upgrade goes; 0 if none is under way
	Active int64 // Next once code writes it, until all items have it; else 0

	Noticed int64     // when code of a newer layout first met this table, Unix seconds; 0 if never
	Since   int64     // when Next, then when Active, was written, Unix seconds; 0 if no upgrade is under way
	After   table.Key // how far the rewriting of items has come; the zero Key at its beginning
}

// LayoutKey returns the key of the table's layout.
func LayoutKey() table.Key { return table.Key{PK: "LAYOUT", SK: meta} }

const (
	attrLayout  = "Layout"
	attrNext    = "Next"
	attrActive  = "Active"
	attrNoticed = "Noticed"
	attrAfterPK = "AfterPK"
	attrAfterSK = "AfterSK"
)

// EncodeLayout returns the attributes that [DecodeLayout] reads.
func EncodeLayout(l Layout) table.Item {
	i := table.Item{attrLayout: table.Num(l.Number)}
	for name, n := range map[string]int64{attrNext: l.Next, attrActive: l.Active, attrNoticed: l.Noticed, AttrSince: l.Since} {
		if n != 0 {
			i[name] = table.Num(n)
		}
	}
	i.Put(attrAfterPK, l.After.PK)
	i.Put(attrAfterSK, l.After.SK)
	return i
}

// DecodeLayout reads the item of the table's layout.
func DecodeLayout(i table.Item) Layout {
	return Layout{
		Number: i.Num(attrLayout), Next: i.Num(attrNext), Active: i.Num(attrActive), Noticed: i.Num(attrNoticed), Since: i.Num(AttrSince),
		After: table.Key{PK: i.Str(attrAfterPK), SK: i.Str(attrAfterSK)},
	}
}

// LayoutUnchanged returns the condition that the item of the layout is still l.
func LayoutUnchanged(l Layout) table.Cond {
	c := table.Cond{Equal: table.Item{attrLayout: table.Num(l.Number)}}
	for name, n := range map[string]int64{attrNext: l.Next, attrActive: l.Active, attrNoticed: l.Noticed, AttrSince: l.Since} {
		if n != 0 {
			c.Equal[name] = table.Num(n)
		} else {
			c.Missing = append(c.Missing, name)
		}
	}
	return c
}

// String names the layout for messages.
func (l Layout) String() string { return "layout " + strconv.FormatInt(l.Number, 10) }
