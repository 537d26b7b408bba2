package items

import (
	"fmt"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// DiscoveryKey returns the key of a resource discovery.
func DiscoveryKey(id string) table.Key { return Discoveries.key(id) }

// AssociationKey returns the key of an association of a resource discovery.
func AssociationKey(id string) table.Key { return Associations.key(id) }

const discoveriesPK = "DISCOVERIES"

// DiscoveryRowKey returns the key of a discovery's row in the list of all.
func DiscoveryRowKey(id string) table.Key { return table.Key{PK: discoveriesPK, SK: id} }

// DiscoveryRows returns the query for the rows that list all discoveries, by id.
func DiscoveryRows() table.Query { return table.Query{PK: discoveriesPK} }

// EncodeDiscovery returns the attributes of a resource discovery.
func EncodeDiscovery(o *ipam.Discovery) table.Item { return encodeObject(&o.Meta, o, nil) }

// DecodeDiscovery reads the item of a resource discovery.
func DecodeDiscovery(i table.Item) (*ipam.Discovery, error) {
	o := new(ipam.Discovery)
	return o, decodeObject(i, o, &o.Meta, nil)
}

// EncodeAssociation returns the attributes of an association.
func EncodeAssociation(o *ipam.DiscoveryAssociation) table.Item { return encodeObject(&o.Meta, o, nil) }

// DecodeAssociation reads the item of an association.
func DecodeAssociation(i table.Item) (*ipam.DiscoveryAssociation, error) {
	o := new(ipam.DiscoveryAssociation)
	return o, decodeObject(i, o, &o.Meta, nil)
}

const accountPrefix = "ACCOUNT#"

// DiscoveredAccountKey returns the key of a discovery's progress in an account
// and Region.
func DiscoveredAccountKey(discovery, region, account string) table.Key {
	return table.Key{PK: DiscoveryKey(discovery).PK, SK: accountPrefix + region + "#" + account}
}

// DiscoveredAccountRows returns the query for a discovery's progress in the
// accounts of a Region, or of all Regions (""), by Region and account.
func DiscoveredAccountRows(discovery, region string) table.Query {
	prefix := accountPrefix
	if region != "" {
		prefix += region + "#"
	}
	return rowsBeginning(DiscoveryKey(discovery).PK, prefix)
}

// EncodeDiscoveredAccount returns the attributes of a discovery's progress. The
// key has the discovery, Region and account.
func EncodeDiscoveredAccount(a *ipam.DiscoveredAccount) table.Item {
	i := table.Item{AttrAttempted: table.Num(a.Attempted), AttrSucceeded: table.Num(a.Succeeded)}
	i.Put(attrUnit, a.OU)
	i.Put(AttrDeparture, string(a.Departure))
	i.Put(attrFailureCode, a.FailureCode)
	i.Put(AttrFailure, a.Failure)
	if a.Failures > 0 {
		i[attrFailures], i[attrFailing] = table.Num(int64(a.Failures)), table.Num(a.Failing)
	}
	return i
}

// DecodeDiscoveredAccount reads the item of a discovery's progress.
func DecodeDiscoveredAccount(r table.Row) (*ipam.DiscoveredAccount, error) {
	place := strings.Split(r.Key.SK, "#")
	if len(place) != 3 {
		return nil, fmt.Errorf("%s: not the key of a discovered account", r.Key)
	}
	return &ipam.DiscoveredAccount{
		Discovery:   strings.TrimPrefix(r.Key.PK, string(Discoveries)),
		Region:      place[1],
		Account:     place[2],
		OU:          r.Item.Str(attrUnit),
		Attempted:   r.Item.Num(AttrAttempted),
		Succeeded:   r.Item.Num(AttrSucceeded),
		FailureCode: r.Item.Str(attrFailureCode),
		Failure:     r.Item.Str(AttrFailure),
		Failures:    int(r.Item.Num(attrFailures)),
		Failing:     r.Item.Num(attrFailing),
		Departure:   ipam.Departure(r.Item.Str(AttrDeparture)),
	}, nil
}

// DiscoveredAccountAfter returns the text from which a list continues after a.
func DiscoveredAccountAfter(a *ipam.DiscoveredAccount) string {
	return DiscoveredAccountKey(a.Discovery, a.Region, a.Account).SK
}
