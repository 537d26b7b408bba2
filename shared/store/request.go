package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// A request that came as an event is answered by an event, once, out of the
// table's stream: a taken block that carries the request's id, or the record of
// its refusal. Each is written only while the other is not there.

// RequestPrefix begins the partitions of refused requests. The stream's filter
// names it.
const RequestPrefix = "REQUEST#"

func requestKey(account, id string) Key { return Key{RequestPrefix + account + "#" + id, meta} }

// Refusal is the record of a request that was refused.
type Refusal struct {
	Request string // the request's id
	Account string // that asked
	Region  string // that it asked from
	Code    string // of the error
	Message string
	Detail  string // what was asked: the event's detail, JSON; "" if it was too long to keep
}

// What is kept of a refusal, in bytes: its event must have room on the bus,
// whatever was asked. A message may repeat parts of that.
const (
	maxDetail  = 16 << 10
	maxMessage = 1 << 10
)

// Refuse records a refusal, for as long as answers to tokens are kept. Once more
// is no error, and neither is one of a request that was carried out: that is
// its answer.
func (s *Store) Refuse(ctx context.Context, t Token, r Refusal) error {
	if len(r.Detail) > maxDetail {
		r.Detail = ""
	}
	if len(r.Message) > maxMessage {
		r.Message = strings.ToValidUTF8(r.Message[:maxMessage], "") + "…"
	}
	made := AllocationKey(s.allocationID(t))
	key := requestKey(t.Account, r.Request)
	return s.commit(ctx, "refuse "+r.Request, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{made, key})
		if err != nil {
			return nil, err
		}
		for _, k := range []Key{made, key} {
			if i, ok := read[k]; ok && !expired(i, s.now()) {
				return nil, nil
			}
		}
		absent := Cond{Absent: true, ExpiredBefore: s.now()}
		return []Write{
			{Op: OpPut, Key: key, Item: Item{attrObject: str(document(r)), AttrExpires: num(s.now() + int64(tokenRetention.Seconds()))}, If: absent},
			{Op: OpCheck, Key: made, If: absent},
		}, nil
	})
}

// DecodeRefusal reads the item of a refused request.
func DecodeRefusal(r Row) (*Refusal, error) {
	o := new(Refusal)
	if err := json.Unmarshal([]byte(r.Item.str(attrObject)), o); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return o, nil
}

// refusedBefore returns the error that a request was refused with.
func refusedBefore(r Row) error {
	o, err := DecodeRefusal(r)
	if err != nil {
		return err
	}
	return ipam.Errorf(ipam.Code(o.Code), "%s", o.Message)
}

// notRefused is the condition under which a request's block may be taken, for
// one that came as an event.
func (s *Store) notRefused(q Allocate) []Write {
	if q.Event == "" {
		return nil
	}
	return []Write{{Op: OpCheck, Key: requestKey(q.Token.Account, q.Event), If: Cond{Absent: true, ExpiredBefore: s.now()}}}
}

// furtherKeys are those that an allocation of some kinds reads besides.
func furtherKeys(q Allocate) []Key {
	var keys []Key
	if q.Event != "" {
		keys = append(keys, requestKey(q.Token.Account, q.Event))
	}
	if k, ok := stableKey(q.Token.Account, q.Pool, q.Tags); ok {
		keys = append(keys, k)
	}
	return keys
}
