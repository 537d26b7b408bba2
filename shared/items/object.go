package items

import (
	"encoding/json"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// An object's item holds what never changes under a condition of its own as
// one JSON document, and as attributes what conditions and counters need.
// Numbers and strings set here override those of the document.
func encodeObject(m *ipam.Meta, object any, counts map[string]int64) table.Item {
	doc, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", object, err)) // plain data, no cycles
	}
	i := table.Item{
		AttrObject: table.Str(string(doc)),
		AttrOwner:  table.Str(m.Owner),
		AttrState:  table.Str(string(m.State)),
		AttrRev:    table.Num(m.Rev),
	}
	for name, n := range counts {
		i[name] = table.Num(n)
	}
	return i
}

func decodeObject(i table.Item, object any, m *ipam.Meta, counts map[string]*int64) error {
	if err := json.Unmarshal([]byte(i.Str(AttrObject)), object); err != nil {
		return fmt.Errorf("object document: %w", err)
	}
	m.State = ipam.State(i.Str(AttrState))
	m.Rev = i.Num(AttrRev)
	for name, n := range counts {
		*n = i.Num(name)
	}
	return nil
}

func OwnerPK(account string) string { return "OWNER#" + account }

func AccountKey(account string) table.Key { return table.Key{PK: OwnerPK(account), SK: meta} }

// OwnedKey is the key of the row that lists the object with key k under its
// owner.
func OwnedKey(account string, k table.Key) table.Key {
	return table.Key{PK: OwnerPK(account), SK: k.PK}
}

const PoolPrefix = "POOL#"

// IPAMKey returns the key of an IPAM.
func IPAMKey(id string) table.Key { return table.Key{PK: "IPAM#" + id, SK: meta} }

// ScopeKey returns the key of a scope.
func ScopeKey(id string) table.Key { return table.Key{PK: "SCOPE#" + id, SK: meta} }

// PoolKey returns the key of a pool.
func PoolKey(id string) table.Key { return table.Key{PK: PoolPrefix + id, SK: meta} }

func EncodeIPAM(o *ipam.IPAM) table.Item {
	return encodeObject(&o.Meta, o, map[string]int64{AttrScopeCount: o.ScopeCount})
}

func DecodeIPAM(i table.Item) (*ipam.IPAM, error) {
	o := new(ipam.IPAM)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{AttrScopeCount: &o.ScopeCount})
}

func EncodeScope(o *ipam.Scope) table.Item {
	return encodeObject(&o.Meta, o, map[string]int64{AttrPoolCount: o.PoolCount})
}

func DecodeScope(i table.Item) (*ipam.Scope, error) {
	o := new(ipam.Scope)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{AttrPoolCount: &o.PoolCount})
}

func EncodePool(o *ipam.Pool) table.Item {
	return encodeObject(&o.Meta, o, map[string]int64{AttrCIDRCount: o.CIDRCount, AttrChildCount: o.ChildCount})
}

func DecodePool(i table.Item) (*ipam.Pool, error) {
	o := new(ipam.Pool)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{AttrCIDRCount: &o.CIDRCount, AttrChildCount: &o.ChildCount})
}
