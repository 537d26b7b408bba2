package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Grants returns the grants in the table, in the form that PutGrants got; nil if there are
// none.
func (s *Store) Grants(ctx context.Context) ([]byte, error) {
	read, err := s.table.BatchGet(ctx, []table.Key{items.GrantsKey()})
	if err != nil {
		return nil, err
	}
	if doc := read[items.GrantsKey()].Str(items.AttrObject); doc != "" {
		return []byte(doc), nil
	}
	return nil, nil
}

// PutGrants replaces the grants in the table.
func (s *Store) PutGrants(ctx context.Context, doc []byte) error {
	return s.commit(ctx, "put grants", nil, func(a attempt) ([]table.Write, error) {
		if a.outcomeUnknown {
			have, err := s.Grants(ctx)
			if err != nil || string(have) == string(doc) {
				return nil, err
			}
		}
		return []table.Write{{Op: table.OpPut, Key: items.GrantsKey(), Item: table.Item{items.AttrObject: table.Str(string(doc)), items.AttrSince: table.Str(strconv.FormatInt(s.now(), 10))}}}, nil
	})
}

// Administrator is the account that administers an organisation's addresses. The
// organisation's management account declares it.
type Administrator struct {
	Account      string
	Organization string // o-…
	Management   string // the account that declared it
}

// Administrator returns the declared administrator; nil if there is none.
func (s *Store) Administrator(ctx context.Context) (*Administrator, error) {
	a, _, err := s.administrator(ctx)
	return a, err
}

// administrator also returns the document that it read.
func (s *Store) administrator(ctx context.Context) (*Administrator, string, error) {
	read, err := s.table.BatchGet(ctx, []table.Key{items.OrganizationKey()})
	if err != nil {
		return nil, "", err
	}
	doc := read[items.OrganizationKey()].Str(items.AttrObject)
	if doc == "" {
		return nil, "", nil
	}
	a := &Administrator{}
	if err := json.Unmarshal([]byte(doc), a); err != nil {
		return nil, "", fmt.Errorf("%s: %w", items.OrganizationKey(), err)
	}
	return a, doc, nil
}

// PutAdministrator declares the administrator and replaces an earlier one. To declare the
// same again changes nothing.
func (s *Store) PutAdministrator(ctx context.Context, a Administrator) error {
	document, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.commit(ctx, "declare the administrator "+a.Account, nil, func(attempt) ([]table.Write, error) {
		have, doc, err := s.administrator(ctx)
		if err != nil || have != nil && *have == a {
			return nil, err
		}
		w := table.Write{
			Op: table.OpPut, Key: items.OrganizationKey(), Item: table.Item{items.AttrObject: table.Str(string(document)), items.AttrSince: table.Str(strconv.FormatInt(s.now(), 10))},
			If: table.Cond{Absent: true},
		}
		if have != nil {
			w.If = table.Cond{Equal: table.Item{items.AttrObject: table.Str(doc)}}
		}
		return []table.Write{w}, nil
	})
}

// DeleteAdministrator ends the declaration of an account. It refuses another account.
func (s *Store) DeleteAdministrator(ctx context.Context, account string) error {
	tried := false
	return s.commit(ctx, "end the administrator "+account, nil, func(a attempt) ([]table.Write, error) {
		have, doc, err := s.administrator(ctx)
		if err != nil {
			return nil, err
		}
		if have == nil || have.Account != account {
			if tried && a.outcomeUnknown {
				return nil, nil
			}
			return nil, ipam.Errorf(ipam.CodeAccountNotRegistered, "The account %s is not registered as the organization's IPAM administrator. EnableIpamOrganizationAdminAccount registers it.", account)
		}
		tried = true
		return []table.Write{{Op: table.OpDelete, Key: items.OrganizationKey(), If: table.Cond{Equal: table.Item{items.AttrObject: table.Str(doc)}}}}, nil
	})
}
