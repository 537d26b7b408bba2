package items

import (
	"encoding/json"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// RequestPrefix begins the partitions of refused requests. The stream's filter
// names it.
//
// A request that arrives as an event is answered by one event, which the table's
// stream causes: a taken block with the request's id, or the record of its
// refusal. Each of the two is written only if the other is absent.
const RequestPrefix = "REQUEST#"

// RequestKey returns the key of a refused request.
func RequestKey(account, id string) table.Key {
	return table.Key{PK: RequestPrefix + account + "#" + id, SK: meta}
}

// Refusal is the record of a refused request.
type Refusal struct {
	Request string // the request's id
	Account string // the caller's account
	Region  string // the caller's Region
	Code    string // the error's code
	Message string
	Detail  string // the event's detail, JSON; "" if it was too long to keep
}

// DecodeRefusal reads the item of a refused request.
func DecodeRefusal(r table.Row) (*Refusal, error) {
	o := new(Refusal)
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), o); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return o, nil
}

// TokenKey returns the key of the answer to a request token.
func TokenKey(id string) table.Key { return table.Key{PK: "TOKEN#" + id, SK: meta} }
