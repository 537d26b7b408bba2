package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/google/go-cmp/cmp"
)

// gone is the guest's account, as watched has it looked at, having left.
func gone(l *poolEnv) *ipam.DiscoveredAccount {
	return &ipam.DiscoveredAccount{Discovery: l.discovery, Region: "us-east-1", Account: otherAccount, Attempted: 100, Succeeded: 90, Departure: ipam.DepartedAccount}
}

// left is watched with the guest's account having left, of which two VPCs are
// known, one of them in a pool, and that one to another discovery too.
func left(l *poolEnv) {
	watched(l)
	s := l.store(l.table)
	observe := func(discovery, id, cidr string) {
		d := must(s.Discoveries(l.Context(), []string{discovery}))(l.T)[0]
		ipams := must(s.IPAMs(l.Context(), d.IPAMs))(l.T)
		r := ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: prefix(cidr), Owner: otherAccount, Region: "us-east-1"}
		must(s.Observe(l.Context(), d, ipams, r, 90))(l.T)
	}
	observe(l.discovery, "vpc-1", "10.0.64.0/24")
	observe(l.discovery, "vpc-2", "172.16.0.0/24")
	standard := must(s.IPAMs(l.Context(), []string{l.ipam}))(l.T)[0].Discovery
	must(0, s.SaveDiscoveredAccount(l.Context(), &ipam.DiscoveredAccount{Discovery: standard, Region: "us-east-1", Account: otherAccount, Attempted: 1}))(l.T)
	observe(standard, "vpc-1", "10.0.64.0/24")
	must(0, s.SaveDiscoveredAccount(l.Context(), gone(l)))(l.T)
}

// forgotten is left with the account to be forgotten.
func forgotten(l *poolEnv) {
	left(l)
	must(forgetting(l.Context(), l, l.store(l.table)))(l.T)
}

func forgetting(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
	return s.ForgetAccount(ctx, l.discovery, otherAccount, "", func(*ipam.Discovery) error { return nil })
}

// leaves records that the discovery no longer looks at the tenant's account in
// the env's Region, and returns the stored account.
func (l *env) leaves(d *ipam.Discovery, why ipam.Departure) *ipam.DiscoveredAccount {
	l.Helper()
	known, _, err := l.store.DiscoveredAccounts(l.Context(), d.ID, "eu-west-1", "", 0)
	l.must(err)
	known[0].Departure = why
	l.must(l.store.SaveDiscoveredAccount(l.Context(), known[0]))
	return known[0]
}

func (l *env) forgets(d *ipam.Discovery) error {
	_, err := l.store.ForgetAccount(l.Context(), d.ID, otherAccount, "eu-west-1", func(*ipam.Discovery) error { return nil })
	return err
}

// An account that left keeps its space until the store forgets the account: a
// hold, an import with the resources in it, and a place in a scope. Then all of
// this space is free.
func TestForgetAnAccountThatLeft(t *testing.T) {
	l := newEnv(t)
	held, importing := l.pool("", false), l.pool("", true)
	l.provision(held, "10.0.0.0/16")
	l.provision(importing, "10.1.0.0/16")
	l.observe(vpc("vpc-1", "10.0.0.0/24"))
	l.observe(vpc("vpc-2", "10.1.0.0/24"))
	l.observe(subnet("subnet-2", "vpc-2", "10.1.0.0/26"))
	l.observe(vpc("vpc-3", "172.16.0.0/16"))
	taken := func(pool *ipam.Pool) bool {
		t.Helper()
		_, err := l.allocate(ownerAccount, pool, 0, strings.Replace("10.x.0.0/24", "x", map[string]string{held.ID: "0", importing.ID: "1"}[pool.ID], 1))
		if err != nil && ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
			t.Fatal(err)
		}
		return err != nil
	}
	if err := l.forgets(l.disco); ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), otherAccount) || !strings.Contains(err.Error(), "eu-west-1") {
		t.Errorf("while it is looked at: %v", err)
	}
	l.leaves(l.disco, ipam.DepartedAccount)
	fscktest.Clean(t, l.memory, l.now)
	if !taken(held) || !taken(importing) {
		t.Error("its space is given out, though its resources may still exist")
	}
	for range 2 { // once more is no error
		l.must(l.forgets(l.disco))
		fscktest.Clean(t, l.memory, l.now)
	}
	l.work()
	fscktest.Clean(t, l.memory, l.now)
	if taken(held) || taken(importing) {
		t.Error("its space is not free")
	}
	known, _, err := l.store.DiscoveredAccounts(t.Context(), l.disco.ID, "", "", 0)
	l.must(err)
	rows, _, err := l.store.Resources(t.Context(), l.ipam.PrivateScope, ipam.IPv4, "", 0)
	l.must(err)
	if len(known)+len(rows) > 0 {
		t.Errorf("left are %+v and %+v", known, rows)
	}
	if err := l.forgets(l.disco); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), otherAccount) {
		t.Errorf("once it is forgotten: %v", err)
	}
	l.now = l.now.Add(1)
	fscktest.Clean(t, l.memory, l.now)
}

// The space of a resource that another discovery of the IPAM finds, too, is held
// all the time, until that discovery forgets the resource as well.
func TestForgetAnAccountThatAnotherDiscoveryWatches(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/24")
	other, _ := l.further(ownerAccount)
	r := vpc("vpc-1", "10.0.0.0/24")
	l.observe(r)
	_, err := l.store.Observe(t.Context(), other, []*ipam.IPAM{l.ipam}, r, 1)
	l.must(err)
	free := func() bool {
		q := store.Allocate{Token: store.Token{Account: ownerAccount}, Pool: pool.ID, Request: byLength(24), Preview: true, May: anyone}
		_, err := l.on(l.memory).Allocate(context.Background(), q)
		return err == nil
	}
	l.leaves(l.disco, ipam.DepartedAccount)
	l.must(l.forgets(l.disco))
	l.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
		if free() {
			t.Error("the VPC's space is free")
		}
		return nil
	}
	l.work()
	l.faulty.Inject = nil
	fscktest.Clean(t, l.memory, l.now)
	l.leaves(other, ipam.DepartedRegion)
	if err := l.forgets(other); ipam.CodeOf(err) != ipam.CodeIncorrectState {
		t.Errorf("in a Region that is one of the discovery's again: %v", err)
	}
	_, err = l.store.ModifyDiscovery(t.Context(), other.ID, ipam.ActModify, func(d *ipam.Discovery) error { d.OperatingRegions = []string{"us-east-1"}; return nil })
	l.must(err)
	l.must(l.forgets(other))
	l.work()
	fscktest.Clean(t, l.memory, l.now)
	if !free() {
		t.Error("the VPC's space is not free")
	}
}

// Two discoveries forget an account. The first hands over the resources that it
// found and gets no further; the second completes. Then the first looks at the
// account again: the account's space is not free.
func TestForgottenByTwoAndFoundAgain(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/16")
	other, _ := l.further(ownerAccount)
	r := vpc("vpc-1", "10.0.0.0/24")
	l.observe(r)
	_, err := l.store.Observe(t.Context(), other, []*ipam.IPAM{l.ipam}, r, 1)
	l.must(err)
	back := *l.leaves(l.disco, ipam.DepartedAccount)
	l.leaves(other, ipam.DepartedAccount)
	l.must(l.forgets(l.disco))
	l.must(l.forgets(other))
	if err := l.on(&failing{Table: l.memory, after: 1}).RunWork(t.Context(), "purge#"+l.disco.ID+"#eu-west-1#"+otherAccount); err == nil {
		t.Fatal("the work was not left")
	}
	l.must(l.store.RunWork(t.Context(), "purge#"+other.ID+"#eu-west-1#"+otherAccount))
	fscktest.Clean(t, l.memory, l.now)
	back.Departure, back.Attempted = ipam.NotDeparted, l.now.UnixMilli()
	l.must(l.store.SaveDiscoveredAccount(t.Context(), &back))
	l.settled()
	if got, err := l.allocate(ownerAccount, pool, 24, ""); err != nil || got.CIDR == r.CIDR {
		t.Errorf("%+v, %v was given, where a VPC is", got, err)
	}
}

// A discovery looks at an account again while the store forgets it. The account
// keeps the resources found from then on, whether a run or an event reports
// them, and however late the report is.
func TestAccountThatComesBack(t *testing.T) {
	for name, look := range map[string]ipam.DiscoveredAccount{
		"a run":                   {Attempted: 200},
		"an event":                {},
		"a run that began before": {Attempted: 1, Succeeded: 1},
	} {
		for when, last := range map[string]bool{"before the first CIDR is forgotten": false, "before the account is": true} {
			t.Run(name+" "+when, func(t *testing.T) {
				l := newEnv(t)
				l.provision(l.pool("", false), "10.0.0.0/24")
				for _, cidr := range []string{"10.0.0.0/26", "10.0.0.64/26"} {
					l.observe(vpc("vpc-"+cidr, cidr))
				}
				l.leaves(l.disco, ipam.DepartedAccount)
				l.must(l.forgets(l.disco))
				seen, back := vpc("vpc-3", "10.0.0.128/26"), look
				back.Discovery, back.Region, back.Account = l.disco.ID, "eu-west-1", otherAccount
				row := table.Key{PK: items.DiscoveryKey(l.disco.ID).PK, SK: items.DiscoveredAccountAfter(&back)}
				came := false
				table := &tabletest.Faulty{Table: l.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
					ends := slices.ContainsFunc(c.Writes, func(w table.Write) bool { return w.Key == row })
					if c.Kind == tabletest.Transact && !came && (ends || !last) {
						came = true
						l.must(l.store.SaveDiscoveredAccount(t.Context(), &back))
						l.observe(seen)
					}
					return nil
				}}
				l.must(l.on(table).RunWork(t.Context(), "purge#"+l.disco.ID+"#eu-west-1#"+otherAccount))
				l.work()
				fscktest.Clean(t, l.memory, l.now)
				known, _, err := l.store.DiscoveredAccounts(t.Context(), l.disco.ID, "", "", 0)
				l.must(err)
				if !came || len(known) != 1 || known[0].Departure != ipam.NotDeparted {
					t.Errorf("the account, that came back: %t, is at %+v", came, known)
				}
				rows, _, err := l.store.Resources(t.Context(), l.ipam.PrivateScope, ipam.IPv4, "", 0)
				l.must(err)
				if !slices.ContainsFunc(rows, func(r *ipam.ResourceCIDR) bool { return r.ID == seen.ID }) {
					t.Errorf("the resource that was found is not among %+v", rows)
				}
			})
		}
	}
}

// A resource that a discovery observes anew while the store forgets it is
// forgotten, too.
func TestObservedWhileItIsForgotten(t *testing.T) {
	l := newEnv(t)
	l.provision(l.pool("", false), "10.0.0.0/24")
	r := vpc("vpc-1", "10.0.0.0/26")
	l.observe(r)
	l.leaves(l.disco, ipam.DepartedAccount)
	l.must(l.forgets(l.disco))
	r.Name = "changed"
	table := &overtaken{Table: l.memory, by: func() { l.observe(r) }}
	l.must(l.on(table).RunWork(t.Context(), "purge#"+l.disco.ID+"#eu-west-1#"+otherAccount))
	fscktest.Clean(t, l.memory, l.now)
	if found, _, err := l.store.Found(t.Context(), l.disco.ID, "eu-west-1", otherAccount, "", 0); err != nil || len(found) > 0 {
		t.Errorf("%+v is left, %v", found, err)
	}
}

// An account that is forgotten while a second schedule's run marks it stays so.
func TestMarkedWhileItIsForgotten(t *testing.T) {
	l := newEnv(t)
	known, _, err := l.store.DiscoveredAccounts(t.Context(), l.disco.ID, "eu-west-1", "", 0)
	l.must(err)
	table := &overtaken{Table: l.memory, by: func() {
		l.leaves(l.disco, ipam.DepartedAccount)
		l.must(l.forgets(l.disco))
	}}
	known[0].Departure = ipam.DepartedAccount
	l.must(l.on(table).SaveDiscoveredAccount(t.Context(), known[0]))
	l.work()
	fscktest.Clean(t, l.memory, l.now)
	if known, _, err := l.store.DiscoveredAccounts(t.Context(), l.disco.ID, "", "", 0); err != nil || len(known) > 0 {
		t.Errorf("%+v is left, %v", known, err)
	}
}

// That an account left is kept only of one that nothing has looked at since.
func TestSaveThatAnAccountLeft(t *testing.T) {
	l := newPoolEnv(t)
	watched(l)
	s := l.store(l.table)
	at := func(attempted int64, why ipam.Departure) ipam.DiscoveredAccount {
		a := *gone(l)
		a.Attempted, a.Succeeded, a.Departure = attempted, min(90, attempted), why
		return a
	}
	for _, c := range []struct {
		name string
		save ipam.DiscoveredAccount
		want ipam.DiscoveredAccount
	}{
		{"known from before the last run", at(99, ipam.DepartedAccount), at(100, ipam.NotDeparted)},
		{"known from the last run", at(100, ipam.DepartedAccount), at(100, ipam.DepartedAccount)},
		{"for another reason", at(100, ipam.DepartedRegion), at(100, ipam.DepartedAccount)},
		{"a run from before", at(50, ipam.NotDeparted), at(100, ipam.NotDeparted)},
		{"the same again", at(50, ipam.NotDeparted), at(100, ipam.NotDeparted)},
		{"left again", at(100, ipam.DepartedRegion), at(100, ipam.DepartedRegion)},
		{"a run", at(200, ipam.NotDeparted), at(200, ipam.NotDeparted)},
	} {
		must(0, s.SaveDiscoveredAccount(t.Context(), &c.save))(t)
		found, _, err := s.DiscoveredAccounts(t.Context(), l.discovery, "us-east-1", "", 0)
		must(0, err)(t)
		if diff := cmp.Diff(&c.want, found[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	l.fsck()
}

// An account is forgotten Region by Region, or in all Regions if it has left all.
func TestForgetRegionByRegion(t *testing.T) {
	l := newPoolEnv(t)
	watched(l)
	s := l.store(l.table)
	save := func(region string, why ipam.Departure) {
		t.Helper()
		must(0, s.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.discovery, Region: region, Account: otherAccount, Attempted: 100, Departure: why}))(t)
	}
	forget := func(region string) []string {
		known, err := s.ForgetAccount(t.Context(), l.discovery, otherAccount, region, func(*ipam.Discovery) error { return nil })
		var regions []string
		for _, a := range known {
			regions = append(regions, a.Region+" "+string(a.Departure))
		}
		if err != nil {
			regions = append(regions, string(ipam.CodeOf(err)))
		}
		return regions
	}
	save("us-west-1", ipam.DepartedRegion)
	save("us-west-2", ipam.DepartedRegion)
	for _, c := range []struct {
		region string
		want   []string
	}{
		{"", []string{"IncorrectState"}},
		{"us-east-1", []string{"IncorrectState"}},
		{"us-east", []string{"InvalidParameterValue"}},
		{"us-west-1", []string{"us-west-1 forgotten"}},
	} {
		if got := forget(c.region); !slices.Equal(got, c.want) {
			t.Errorf("in %q: %q, want %q", c.region, got, c.want)
		}
		l.fsck()
	}
	save("us-east-1", ipam.DepartedAccount)
	if got, want := forget(""), []string{"us-east-1 forgotten", "us-west-1 forgotten", "us-west-2 forgotten"}; !slices.Equal(got, want) {
		t.Errorf("in all: %q, want %q", got, want)
	}
	l.work()
	l.fsck()
	if known, _, err := s.DiscoveredAccounts(t.Context(), l.discovery, "", "", 0); err != nil || len(known) != 1 || known[0].Account != ownerAccount {
		t.Errorf("%+v, %v: want the other account alone", known, err)
	}
}
