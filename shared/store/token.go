package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Token makes a request idempotent: the same Account, Operation and Value with
// the same Digest is the same request, whenever and wherever it is retried.
type Token struct {
	Account   string // the caller's account
	Operation string
	Value     string // the caller's ClientToken, or "" for a request that is not retried
	Digest    string // a digest of the request's parameters

	round    int // see unusedRound
	restores items.Restores
}

// completeToken gives a token the restores of the table. It gives a token without a value
// one of its own, so that at least the retries inside one request are idempotent.
func (s *Store) completeToken(ctx context.Context, t Token) (Token, error) {
	if t.Value == "" {
		t.Value = s.o.NewID()
	}
	if s.o.Restores == nil {
		return t, nil
	}
	err := s.commit(ctx, "read the table's restores", nil, func(attempt) (_ []table.Write, err error) {
		t.restores, err = s.o.Restores(ctx)
		return nil, err
	})
	return t, err
}

// withEarlier returns the token, and behind it the token as it was before each restore
// of the table, the latest restore first.
//
// A restore takes the latest requests back, and other requests may get their space. So
// a token derives other ids after a restore than before: an id is never used again with
// another CIDR. A request that the restored table still has is found by the ids that its
// token derived at that time.
func (t Token) withEarlier() []Token {
	all := make([]Token, 0, len(t.restores)+1)
	for n := len(t.restores); n >= 0; n-- {
		e := t
		e.restores = t.restores[:n]
		all = append(all, e)
	}
	return all
}

// generation returns the parts of derived ids that the last restore of the table adds;
// none before the first one.
func (t Token) generation() []string {
	if len(t.restores) == 0 {
		return nil
	}
	return []string{"restore", strconv.FormatInt(t.restores[len(t.restores)-1], 10)}
}

func (s *Store) deriveID(k ipam.IDKind, t Token, more ...string) string {
	parts := append([]string{t.Account, s.o.Region, t.Operation, t.Value}, more...)
	if t.round > 0 {
		parts = append(parts, "round", strconv.Itoa(t.round))
	}
	return ipam.DeriveID(k, append(parts, t.generation()...)...)
}

// allocationIDs returns the id of the allocation that a token's request makes, and behind
// it the ids that the token derived before each restore of the table.
func (s *Store) allocationIDs(t Token) (ids []string) {
	for _, t := range t.withEarlier() {
		ids = append(ids, s.deriveID(ipam.IDAllocation, t))
	}
	return ids
}

// recordedAllocation returns the by-id item of the first of the ids that has one.
func (s *Store) recordedAllocation(ids []string, read map[table.Key]table.Item) (b items.AllocationByID, ok bool, err error) {
	for _, id := range ids {
		if b, ok, err = items.DecodeByID(id, read[items.AllocationKey(id)], s.now()); ok || err != nil {
			break
		}
	}
	return b, ok, err
}

func allocationKeys(ids []string) []table.Key {
	keys := make([]table.Key, len(ids))
	for i, id := range ids {
		keys[i] = items.AllocationKey(id)
	}
	return keys
}

// unusedRound returns the first round of a token without a record whose ids are not in use.
// made returns the key of the object that the token's request creates, and read has the
// item at made(t) if there is one.
//
// The record exists for 24 hours, and the created object may exist for years. After that
// time, the same token is a new request, and the ids that it derived the first time are
// taken. Two copies of the new request derive the same ids.
func (s *Store) unusedRound(ctx context.Context, t Token, made func(Token) table.Key, read map[table.Key]table.Item) (Token, error) {
	for read[made(t)] != nil {
		t.round++
		var err error
		if read, err = s.table.BatchGet(ctx, []table.Key{made(t)}); err != nil {
			return t, err
		}
	}
	return t, nil
}

// tokenRetention is how long the answer to a token exists, and the by-id item of a released
// allocation, so that a late retry does not act a second time.
const tokenRetention = 24 * time.Hour

func tokenMismatch(token string) error {
	return ipam.Errorf(ipam.CodeIdempotentParameterMismatch, "The client token %q was used before with other parameters. Use a new token for a new request.", token)
}

// tokenRecord is the recorded answer to a token: a retry of the request gets it again.
type tokenRecord struct {
	s     *Store
	token Token
	key   table.Key   // of the record that write writes
	keys  []table.Key // of all records that may have the answer: key, and those of before each restore
}

func (s *Store) newRecord(t Token) tokenRecord {
	r := tokenRecord{s: s, token: t}
	for _, t := range t.withEarlier() {
		r.keys = append(r.keys, items.TokenKey(s.deriveID("token", t)))
	}
	r.key = r.keys[0]
	return r
}

// replay reads the recorded answer, among the items that were read, into answer. It
// reports whether there is one.
func (r tokenRecord) replay(read map[table.Key]table.Item, answer any) (bool, error) {
	at := slices.IndexFunc(r.keys, func(k table.Key) bool { return read[k] != nil && !table.Expired(read[k], r.s.now()) })
	if at < 0 {
		return false, nil
	}
	i := read[r.keys[at]]
	if i.Str(items.AttrDigest) != r.token.Digest {
		return false, tokenMismatch(r.token.Value)
	}
	if err := json.Unmarshal([]byte(i.Str(items.AttrAnswer)), answer); err != nil {
		return false, fmt.Errorf("recorded answer to token %q: %w", r.token.Value, err)
	}
	return true, nil
}

// write returns the write that records answer.
func (r tokenRecord) write(answer any) table.Write {
	doc, err := json.Marshal(answer)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", answer, err)) // plain data, no cycles
	}
	return table.Write{
		Op:   table.OpPut,
		Key:  r.key,
		Item: table.Item{items.AttrDigest: table.Str(r.token.Digest), items.AttrAnswer: table.Str(string(doc)), table.AttrExpires: table.Num(r.s.now() + int64(tokenRetention.Seconds()))},
		If:   table.Cond{Absent: true, ExpiredBefore: r.s.now()},
	}
}
