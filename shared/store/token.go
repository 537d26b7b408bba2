package store

import (
	"context"
	"encoding/json"
	"fmt"
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

	round int // see fresh
}

// withValue gives a token without a value one of its own, so that at least the
// retries inside one request are idempotent.
func (s *Store) withValue(t Token) Token {
	if t.Value == "" {
		t.Value = s.o.NewID()
	}
	return t
}

func (s *Store) deriveID(k ipam.IDKind, t Token, more ...string) string {
	parts := append([]string{t.Account, s.o.Region, t.Operation, t.Value}, more...)
	if t.round > 0 {
		parts = append(parts, "round", strconv.Itoa(t.round))
	}
	return ipam.DeriveID(k, parts...)
}

// allocationID returns the id of the allocation that a token's request makes.
func (s *Store) allocationID(t Token) string { return s.deriveID(ipam.IDAllocation, t) }

// unusedRound returns the round of a token without a record whose ids are not in
// use. made is the key of what the token's request makes, and read holds the
// item at made(t) if there is one.
//
// The record is kept for 24 hours, what was made may stand for years: the
// token, used again, then is a new request, and the ids it derived the first
// time are taken. Two copies of the new request derive the same ids.
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

// tokenRetention is how long an answer to a token is kept, and a released
// allocation's by-id item, so that a late retry does not act a second time.
const tokenRetention = 24 * time.Hour

func tokenMismatch(token string) error {
	return ipam.Errorf(ipam.CodeIdempotentParameterMismatch, "The client token %q was used before with other parameters. Use a new token for a new request.", token)
}

// tokenRecord is the answer to a token, kept so that a retry of the request gets it
// again.
type tokenRecord struct {
	s     *Store
	token Token
	key   table.Key
}

func (s *Store) newRecord(t Token) tokenRecord {
	return tokenRecord{s, t, items.TokenKey(ipam.DeriveID("token", t.Account, s.o.Region, t.Operation, t.Value))}
}

// replay reads the recorded answer into answer and reports whether there is
// one.
func (r tokenRecord) replay(i table.Item, answer any) (bool, error) {
	if i == nil || table.Expired(i, r.s.now()) {
		return false, nil
	}
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
