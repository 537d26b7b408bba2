package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// eachAccount calls f for every account and Region that a discovery has watched.
func (s *Store) eachAccount(ctx context.Context, discovery string, f func(*ipam.DiscoveredAccount) error) error {
	for a, err := range decoded(table.Rows(ctx, s.table, items.DiscoveredAccountRows(discovery, "")), items.DecodeDiscoveredAccount) {
		if err != nil {
			return err
		}
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}

// SaveDiscoveredAccount saves the progress of the discovery of an account in a Region, in
// one small write. It never goes back in time: it ignores a run that began before the saved
// one, and a Succeeded that is older than the saved one. It saves nothing for a deleted
// discovery.
//
// With a.Departure, it saves that the account is not watched any more, unless that is
// saved already, or a run began since. Any other run ends the departure.
//
// Save an account before you observe its resources: when the discovery is deleted, the
// saved accounts lead to the CIDRs that it found.
func (s *Store) SaveDiscoveredAccount(ctx context.Context, a *ipam.DiscoveredAccount) error {
	k := items.DiscoveredAccountKey(a.Discovery, a.Region, a.Account)
	err := s.commit(ctx, "save "+k.String(), nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		now := *a
		w := table.Write{Op: table.OpPut, Key: k, If: table.Cond{Absent: true}}
		if i := read[k]; i != nil {
			have, err := items.DecodeDiscoveredAccount(table.Row{Key: k, Item: i})
			if err != nil {
				return nil, err
			}
			now.Succeeded = max(now.Succeeded, have.Succeeded)
			switch late := have.Attempted > now.Attempted; {
			case late && have.Departure == ipam.NotDeparted, have.Departure != ipam.NotDeparted && now.Departure != ipam.NotDeparted:
				return nil, nil
			case late:
				now = *have
				now.Departure = ipam.NotDeparted
			case *have == now:
				return nil, nil
			}
			w.If = accountUnchanged(have)
		}
		w.Item = items.EncodeDiscoveredAccount(&now)
		return []table.Write{w}, nil
	})
	if err != nil {
		return err
	}
	// A read before the write would miss a deletion in between, and a condition on
	// the discovery would make the runs of all accounts conflict.
	if _, err = readOne(ctx, s.Discoveries, a.Discovery); !isNotFound(err) {
		return err
	}
	return s.deleteItem(ctx, k)
}

// accountUnchanged is the condition that the progress was not saved since it was read.
func accountUnchanged(a *ipam.DiscoveredAccount) table.Cond {
	c := table.Cond{Equal: table.Item{items.AttrAttempted: table.Num(a.Attempted), items.AttrSucceeded: table.Num(a.Succeeded)}}
	if a.Departure == ipam.NotDeparted {
		c.Missing = []string{items.AttrDeparture}
	} else {
		c.Equal[items.AttrDeparture] = table.Str(string(a.Departure))
	}
	return c
}

// ForgetAccount deletes the CIDRs that a discovery found in an account, in a Region or in
// every one (""); [Store.RunWork] does it, and their space is free then. It returns the
// saved progress there. may says whether the caller may. It refuses an account that is
// still watched, because the next run would find everything again, and one that the
// discovery does not know.
func (s *Store) ForgetAccount(ctx context.Context, discovery, account, region string, may func(*ipam.Discovery) error) ([]*ipam.DiscoveredAccount, error) {
	var known []*ipam.DiscoveredAccount
	err := s.commit(ctx, "forget "+account, nil, func(a attempt) ([]table.Write, error) {
		d, err := readOne(ctx, s.Discoveries, discovery)
		if err != nil {
			return deletedBefore(a, known != nil, err)
		}
		if err := may(d); err != nil {
			return nil, err
		}
		now, err := s.accountRows(ctx, discovery, account, region)
		if err != nil {
			return nil, err
		}
		if len(now) == 0 && known != nil && a.outcomeUnknown {
			return nil, nil // forgotten already
		}
		if known = now; len(known) == 0 {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The resource discovery %s knows nothing of the account %s in %s. GetIpamDiscoveredAccounts lists the accounts that it knows in a Region.", discovery, account, cmp.Or(region, "any Region"))
		}
		if most := table.MaxWrites / 2; len(known) > most {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The resource discovery %s knows the account %s in %d Regions, more than the %d that can be forgotten at once. Name a DiscoveryRegion.", discovery, account, len(known), most)
		}
		regions, err := s.operatingRegions(ctx, d)
		if err != nil {
			return nil, err
		}
		var writes []table.Write
		for _, k := range known {
			if k.Departure == ipam.NotDeparted || k.Departure == ipam.DepartedRegion && slices.Contains(regions, k.Region) {
				return nil, ipam.Errorf(ipam.CodeIncorrectState, "The account %s is still watched in %s by %s, so its resources would be found again. GetIpamDiscoveredAccounts shows when it has left; exclude its organizational unit, or remove the Region, to have it leave at the next run of the schedule.", account, k.Region, discovery)
			}
			if k.Departure == ipam.Forgotten {
				continue
			}
			w := table.Write{Op: table.OpUpdate, Key: items.DiscoveredAccountKey(discovery, k.Region, account), Set: table.Item{items.AttrDeparture: table.Str(string(ipam.Forgotten))}, If: accountUnchanged(k)}
			writes = append(writes, w, s.accountPurgeNote(discovery, k.Region, account))
			k.Departure = ipam.Forgotten
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return known, nil
}

// accountRows returns the progress of a discovery in an account, in a Region or in all
// ("").
func (s *Store) accountRows(ctx context.Context, discovery, account, region string) (known []*ipam.DiscoveredAccount, err error) {
	err = s.eachAccount(ctx, discovery, func(a *ipam.DiscoveredAccount) error {
		if a.Account == account && (region == "" || a.Region == region) {
			known = append(known, a)
		}
		return nil
	})
	return known, err
}

// operatingRegions returns the Regions that a discovery watches. A default discovery has
// the Regions of its IPAM.
func (s *Store) operatingRegions(ctx context.Context, d *ipam.Discovery) ([]string, error) {
	if !d.Default() {
		return d.OperatingRegions, nil
	}
	o, err := readOne(ctx, s.IPAMs, d.IPAM)
	if err != nil {
		return nil, staleIfNotFound(err)
	}
	return o.OperatingRegions, nil
}

// DiscoveredAccounts returns the progress of a discovery in the accounts that it watched in
// a Region, by ascending account; or in all Regions (""), by ascending Region first. It
// pages as [Store.Found] does.
func (s *Store) DiscoveredAccounts(ctx context.Context, discovery, region, after string, limit int) ([]*ipam.DiscoveredAccount, string, error) {
	return queryDecoded(ctx, s, items.DiscoveredAccountRows(discovery, region).Page(after, limit), items.DecodeDiscoveredAccount)
}

// DiscoveredAccount returns the progress of a discovery in an account in a Region, nil if
// it has not watched it.
func (s *Store) DiscoveredAccount(ctx context.Context, discovery, region, account string) (*ipam.DiscoveredAccount, error) {
	k := items.DiscoveredAccountKey(discovery, region, account)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil {
		return nil, err
	}
	return items.DecodeDiscoveredAccount(table.Row{Key: k, Item: read[k]})
}
