package items

import (
	"encoding/json"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// A request that came as an event is answered by an event, once, out of the
// table's stream: a taken block that carries the request's id, or the record of
// its refusal. Each is written only while the other is not there.

// RequestPrefix begins the partitions of refused requests. The stream's filter
// names it.
const RequestPrefix = "REQUEST#"

func RequestKey(account, id string) table.Key {
	return table.Key{PK: RequestPrefix + account + "#" + id, SK: meta}
}

// Refusal is the record of a request that was refused.
type Refusal struct {
	Request string // the request's id
	Account string // that asked
	Region  string // that it asked from
	Code    string // of the error
	Message string
	Detail  string // what was asked: the event's detail, JSON; "" if it was too long to keep
}

// DecodeRefusal reads the item of a refused request.
func DecodeRefusal(r table.Row) (*Refusal, error) {
	o := new(Refusal)
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), o); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return o, nil
}

func TokenKey(id string) table.Key { return table.Key{PK: "TOKEN#" + id, SK: meta} }
