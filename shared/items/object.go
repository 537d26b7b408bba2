package items

import (
	"encoding/json"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// encodeObject returns the attributes of an object. One JSON document has the
// members that no condition or counter uses. State, owner, revision and counts
// are attributes of their own, and override those of the document.
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

func ownerPK(account string) string { return "OWNER#" + account }

// AccountKey returns the key of an account's counts.
func AccountKey(account string) table.Key { return table.Key{PK: ownerPK(account), SK: meta} }

// OwnedKey returns the key of the row that lists the object with key k under
// its owner.
func OwnedKey(account string, k table.Key) table.Key {
	return table.Key{PK: ownerPK(account), SK: k.PK}
}

// ObjectKind is a kind of object that belongs to an account. Its value begins the
// partition keys of the objects, and the sort keys of the rows that list them.
type ObjectKind string

// The kinds of objects.
const (
	IPAMs        ObjectKind = "IPAM#"
	Scopes       ObjectKind = "SCOPE#"
	Pools        ObjectKind = "POOL#"
	Discoveries  ObjectKind = "DISCO#"
	Associations ObjectKind = "ASSOC#"
	Resolvers    ObjectKind = "RESOLVER#"
)

func (k ObjectKind) key(id string) table.Key { return table.Key{PK: string(k) + id, SK: meta} }

// OwnedRows returns the query for the rows that list an account's objects of a kind,
// by id. Behind its From, their sort keys are the ids.
func OwnedRows(account string, k ObjectKind) table.Query {
	return rowsBeginning(ownerPK(account), string(k))
}

// IPAMKey returns the key of an IPAM.
func IPAMKey(id string) table.Key { return IPAMs.key(id) }

// ScopeKey returns the key of a scope.
func ScopeKey(id string) table.Key { return Scopes.key(id) }

// PoolKey returns the key of a pool.
func PoolKey(id string) table.Key { return Pools.key(id) }

// EncodeIPAM returns the attributes of an IPAM.
func EncodeIPAM(o *ipam.IPAM) table.Item {
	return encodeObject(&o.Meta, o, map[string]int64{AttrScopeCount: o.ScopeCount})
}

// DecodeIPAM reads the item of an IPAM.
func DecodeIPAM(i table.Item) (*ipam.IPAM, error) {
	o := new(ipam.IPAM)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{AttrScopeCount: &o.ScopeCount})
}

// EncodeScope returns the attributes of a scope.
func EncodeScope(o *ipam.Scope) table.Item {
	return encodeObject(&o.Meta, o, map[string]int64{AttrPoolCount: o.PoolCount})
}

// DecodeScope reads the item of a scope.
func DecodeScope(i table.Item) (*ipam.Scope, error) {
	o := new(ipam.Scope)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{AttrPoolCount: &o.PoolCount})
}

// EncodePool returns the attributes of a pool.
func EncodePool(o *ipam.Pool) table.Item {
	return encodeObject(&o.Meta, o, map[string]int64{AttrCIDRCount: o.CIDRCount, AttrChildCount: o.ChildCount})
}

// DecodePool reads the item of a pool.
func DecodePool(i table.Item) (*ipam.Pool, error) {
	o := new(ipam.Pool)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{AttrCIDRCount: &o.CIDRCount, AttrChildCount: &o.ChildCount})
}
