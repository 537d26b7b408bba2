package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Administrator is the account that an organisation's management account has
// declared to be the one that administers its addresses.
type Administrator struct {
	Account      string
	Organization string // o-…
	Management   string // the account that declared it
}

// Administrator returns the administrator that is declared; nil if none is.
func (s *Store) Administrator(ctx context.Context) (*Administrator, error) {
	a, _, err := s.administrator(ctx)
	return a, err
}

// administrator returns the document that the administrator was read of, too.
func (s *Store) administrator(ctx context.Context) (*Administrator, string, error) {
	read, err := s.table.BatchGet(ctx, []Key{organizationKey()})
	if err != nil {
		return nil, "", err
	}
	doc := read[organizationKey()].str(attrObject)
	if doc == "" {
		return nil, "", nil
	}
	a := &Administrator{}
	if err := json.Unmarshal([]byte(doc), a); err != nil {
		return nil, "", fmt.Errorf("%s: %w", organizationKey(), err)
	}
	return a, doc, nil
}

// PutAdministrator declares the administrator, in the place of what was declared
// before; once more changes nothing.
func (s *Store) PutAdministrator(ctx context.Context, a Administrator) error {
	document, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.commit(ctx, "declare the administrator "+a.Account, nil, func(attempt) ([]Write, error) {
		have, doc, err := s.administrator(ctx)
		if err != nil || have != nil && *have == a {
			return nil, err
		}
		w := Write{
			Op: OpPut, Key: organizationKey(), Item: Item{attrObject: str(string(document)), attrSince: str(strconv.FormatInt(s.now(), 10))},
			If: Cond{Absent: true},
		}
		if have != nil {
			w.If = Cond{Equal: Item{attrObject: str(doc)}}
		}
		return []Write{w}, nil
	})
}

// DeleteAdministrator ends that an account is the administrator. It refuses one
// that is not.
func (s *Store) DeleteAdministrator(ctx context.Context, account string) error {
	tried := false
	return s.commit(ctx, "end the administrator "+account, nil, func(a attempt) ([]Write, error) {
		have, doc, err := s.administrator(ctx)
		if err != nil {
			return nil, err
		}
		if have == nil || have.Account != account {
			if tried && a.unsure {
				return nil, nil
			}
			return nil, ipam.Errorf(ipam.CodeAccountNotRegistered, "The account %s is not registered as the organization's IPAM administrator. EnableIpamOrganizationAdminAccount registers it.", account)
		}
		tried = true
		return []Write{{Op: OpDelete, Key: organizationKey(), If: Cond{Equal: Item{attrObject: str(doc)}}}}, nil
	})
}
