package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func discoveryOf(account string) ipam.Discovery {
	return ipam.Discovery{Meta: ipam.Meta{Owner: account, Tags: ipam.Tags{"k": "v"}}, OperatingRegions: []string{"us-east-1"}}
}

func mayAssociate(*ipam.IPAM, *ipam.Discovery) error { return nil }

// watched makes a bare IPAM and a discovery that is associated with that and
// the lab's own IPAM, and lets it look at two accounts.
func watched(l *poolEnv) {
	s := l.store(l.table)
	l.other = must(s.CreateIPAM(l.Context(), token("CreateIpam", "other"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(l.T).ID
	l.discoveries = 3
	s = l.store(l.table)
	l.discovery = must(s.CreateDiscovery(l.Context(), token("CreateIpamResourceDiscovery", "1"), discoveryOf(ownerAccount)))(l.T).ID
	for _, id := range []string{l.ipam, l.other} {
		l.association = must(s.Associate(l.Context(), token("AssociateIpamResourceDiscovery", id), ipam.DiscoveryAssociation{IPAM: id, Discovery: l.discovery}, mayAssociate))(l.T).ID
	}
	for _, account := range []string{ownerAccount, otherAccount} {
		must(0, s.SaveDiscoveredAccount(l.Context(), &ipam.DiscoveredAccount{Discovery: l.discovery, Region: "us-east-1", Account: account, Attempted: 100, Succeeded: 90}))(l.T)
	}
}

// apart is watched with the association with the bare IPAM ended.
func apart(l *poolEnv) {
	watched(l)
	must(disassociating(l.Context(), l, l.store(l.table)))(l.T)
}

// unwatched deletes the discovery of watched.
func unwatched(l *poolEnv) {
	watched(l)
	must(l.store(l.table).DeleteDiscovery(l.Context(), l.discovery, func(*ipam.Discovery) error { return nil }))(l.T)
}

// purged is unwatched with the work done.
func purged(l *poolEnv) {
	unwatched(l)
	l.work()
}

func disassociating(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
	return s.Disassociate(ctx, l.association, func(*ipam.DiscoveryAssociation) error { return nil })
}

// saving keeps a run of the lab's account that began at a time.
func saving(at int64) func(context.Context, *poolEnv, *store.Store) (any, error) {
	return func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.SaveDiscoveredAccount(ctx, &ipam.DiscoveredAccount{
			Discovery: l.discovery, Region: "us-east-1", Account: ownerAccount, OU: "ou-f6g7-11111111", Attempted: at, FailureCode: "throttling-failure", Failure: "later",
		})
	}
}

// A request writes between the reads and the writes of another request. The
// discovery, the IPAM and the association still agree.
func TestAssociationsOvertaken(t *testing.T) {
	type act = func(context.Context, *poolEnv, *store.Store) error
	associate, end, remove, deleteIPAM, describe, describeIPAM := func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.Associate(ctx, token("AssociateIpamResourceDiscovery", "late"), ipam.DiscoveryAssociation{IPAM: l.other, Discovery: l.discovery}, mayAssociate)
		return err
	}, func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := disassociating(ctx, l, s)
		return err
	}, func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.DeleteDiscovery(ctx, l.discovery, func(*ipam.Discovery) error { return nil })
		return err
	}, func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.DeleteIPAM(ctx, l.other, false, mayIPAM)
		return err
	}, func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.ModifyDiscovery(ctx, l.discovery, ipam.ActModify, func(o *ipam.Discovery) error { o.Description = "new"; return nil })
		return err
	}, func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.ModifyIPAM(ctx, l.other, ipam.ActModify, func(o *ipam.IPAM) error { o.Description = "new"; return nil })
		return err
	}
	for _, c := range []struct {
		name      string
		prepare   func(*poolEnv)
		first, by act
		code      ipam.Code // of the first
		with      int       // IPAMs that the discovery is associated with in the end; -1: it is gone
		counts    int64     // associations of the bare IPAM in the end; -1: it is gone
	}{
		{"an association by a description", apart, associate, describe, "", 2, 2},
		{"an association by the IPAM's description", apart, associate, describeIPAM, "", 2, 2},
		{"a description by an association", apart, describe, associate, "", 2, 2},
		{"an association by the discovery's end", apart, associate, remove, ipam.CodeInvalidDiscoveryIDNotFound, -1, 1},
		{"the discovery's end by an association", apart, remove, associate, "", -1, 2},
		{"an association by the IPAM's end", apart, associate, deleteIPAM, ipam.CodeInvalidIpamIDNotFound, 1, -1},
		{"the IPAM's end by an association", apart, deleteIPAM, associate, "", 1, -1},
		{"an end by the discovery's", watched, end, remove, "", -1, 1},
		{"the discovery's end by an association's", watched, remove, end, "", -1, 1},
		{"an end by the IPAM's", watched, end, deleteIPAM, ipam.CodeInvalidAssociationIDNotFound, 1, -1},
		{"the IPAM's end by an association's", watched, deleteIPAM, end, "", 1, -1},
		{"the IPAM's end by the discovery's", watched, deleteIPAM, remove, "", -1, -1},
		{"the discovery's end by the IPAM's", watched, remove, deleteIPAM, "", -1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newPoolEnv(t)
			c.prepare(l)
			table := &overtaken{Table: l.table, by: func() { must(0, c.by(t.Context(), l, l.store(l.table)))(t) }}
			if err := c.first(t.Context(), l, l.store(table)); ipam.CodeOf(err) != c.code {
				t.Fatalf("%v, want the code %q", err, c.code)
			}
			l.fsck()
			l.work()
			l.fsck()
			with, counts := -1, int64(-1)
			for _, d := range must(l.store(l.table).Discoveries(t.Context(), []string{l.discovery}))(t) {
				with = len(d.IPAMs)
			}
			for _, o := range must(l.store(l.table).IPAMs(t.Context(), []string{l.other}))(t) {
				counts = o.DiscoveryAssociations
			}
			if with != c.with || counts != c.counts {
				t.Errorf("the discovery has %d IPAMs, want %d; the IPAM counts %d associations, want %d", with, c.with, counts, c.counts)
			}
			if notes := must(l.store(l.table).PendingWork(t.Context(), l.now.Add(1<<40)))(t); len(notes) > 0 {
				t.Errorf("work is left: %q", notes)
			}
		})
	}
}

func TestLimitsOfDiscoveries(t *testing.T) {
	l := newPoolEnv(t)
	watched(l)
	l.discoveries = 1
	s := l.store(l.table)
	refused := func(err error, code ipam.Code, words string) {
		t.Helper()
		if ipam.CodeOf(err) != code || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %s with %q", err, code, words)
		}
	}
	_, err := s.CreateDiscovery(t.Context(), token("CreateIpamResourceDiscovery", "2"), discoveryOf(ownerAccount))
	refused(err, ipam.CodeResourceLimitExceeded, "limited to 1")
	must(s.CreateDiscovery(t.Context(), token("CreateIpamResourceDiscovery", "3"), discoveryOf(otherAccount)))(t)
	// The count goes down with a discovery.
	must(s.DeleteDiscovery(t.Context(), l.discovery, func(*ipam.Discovery) error { return nil }))(t)
	d := must(s.CreateDiscovery(t.Context(), token("CreateIpamResourceDiscovery", "2"), discoveryOf(ownerAccount)))(t)
	// So does an association's, when it is ended, whether its discovery is there or not.
	for range 5 {
		a := must(s.Associate(t.Context(), token("AssociateIpamResourceDiscovery", ""), ipam.DiscoveryAssociation{IPAM: l.other, Discovery: d.ID}, mayAssociate))(t)
		must(s.Disassociate(t.Context(), a.ID, func(*ipam.DiscoveryAssociation) error { return nil }))(t)
	}
	// An account may have the first of its objects be a discovery.
	must(s.CreateIPAM(t.Context(), token("CreateIpam", "guest"), ipam.IPAM{Meta: ipam.Meta{Owner: otherAccount}}))(t)
	l.work()
	l.fsck()
}

// An IPAM with as many associations as there may be ends in one transaction, and
// so does a discovery.
func TestMostAssociations(t *testing.T) {
	l := newPoolEnv(t)
	l.ipams, l.discoveries, l.associations = 30, 30, ipam.MaxAssociationsPerIPAM
	s := l.store(l.table)
	name := func(n int) string { return strings.Repeat("x", n+1) }
	above := must(s.CreateIPAM(t.Context(), token("CreateIpam", "full"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t).ID
	associate := func(id, discovery string) error {
		_, err := s.Associate(t.Context(), token("AssociateIpamResourceDiscovery", ""), ipam.DiscoveryAssociation{IPAM: id, Discovery: discovery}, mayAssociate)
		return err
	}
	var one string
	for n := range ipam.MaxAssociationsPerIPAM {
		one = must(s.CreateDiscovery(t.Context(), token("CreateIpamResourceDiscovery", name(n)), discoveryOf(ownerAccount)))(t).ID
		if n < ipam.MaxAssociationsPerIPAM-1 { // besides the default one
			must(0, associate(above, one))(t)
		}
	}
	if err := associate(above, one); ipam.CodeOf(err) != ipam.CodeResourceLimitExceeded {
		t.Errorf("an association too many of an IPAM: %v", err)
	}
	must(s.DeleteIPAM(t.Context(), above, false, mayIPAM))(t)
	for n := range ipam.MaxAssociationsPerIPAM {
		must(0, associate(must(s.CreateIPAM(t.Context(), token("CreateIpam", name(n)), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t).ID, one))(t)
	}
	if err := associate(l.ipam, one); ipam.CodeOf(err) != ipam.CodeResourceLimitExceeded {
		t.Errorf("an association too many of a discovery: %v", err)
	}
	must(s.DeleteDiscovery(t.Context(), one, func(*ipam.Discovery) error { return nil }))(t)
	l.work()
	l.fsck()
}

func TestSaveDiscoveredAccountNeverGoesBack(t *testing.T) {
	l := newPoolEnv(t)
	watched(l)
	s := l.store(l.table)
	have := func() ipam.DiscoveredAccount {
		found, _, err := s.DiscoveredAccounts(t.Context(), l.discovery, "us-east-1", "", 0)
		if err != nil || len(found) != 2 || found[0].Account != ownerAccount || found[1].Account != otherAccount {
			t.Fatalf("%+v, %v", found, err)
		}
		return *found[0]
	}
	want := ipam.DiscoveredAccount{Discovery: l.discovery, Region: "us-east-1", Account: ownerAccount, Attempted: 100, Succeeded: 90}
	for _, c := range []struct {
		name                 string
		attempted, succeeded int64
		failure              string
		attempt, success     int64 // kept
		kept                 string
	}{
		{"a run that began before", 99, 99, "old", 100, 90, ""},
		{"a run that fails", 200, 0, "new", 200, 90, "new"},
		{"the same run, complete", 200, 200, "", 200, 200, ""},
		{"the next one, with its knowledge of before", 300, 90, "newer", 300, 200, "newer"},
	} {
		a := want
		a.Attempted, a.Succeeded, a.Failure = c.attempted, c.succeeded, c.failure
		if a.Failure != "" {
			a.FailureCode = "throttling-failure"
		}
		must(0, s.SaveDiscoveredAccount(t.Context(), &a))(t)
		w := want
		w.Attempted, w.Succeeded, w.Failure = c.attempt, c.success, c.kept
		if c.kept != "" {
			w.FailureCode = "throttling-failure"
		}
		if diff := cmp.Diff(w, have()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	// Region by Region, and all together.
	must(0, s.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.discovery, Region: "us-east", Account: ownerAccount, Attempted: 1}))(t)
	var places []string
	for after := ""; ; {
		found, next, err := s.DiscoveredAccounts(t.Context(), l.discovery, "", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range found {
			places = append(places, items.DiscoveredAccountAfter(a))
		}
		if after = next; after == "" {
			break
		}
	}
	if len(places) != 3 || !slices.IsSorted(places) {
		t.Errorf("all accounts: %q", places)
	}
	_ = have()
}

// An account that is saved while its discovery ends leaves nothing.
func TestAccountSavedWhileItsDiscoveryEnds(t *testing.T) {
	l := newPoolEnv(t)
	watched(l)
	table := &overtaken{Table: l.table, by: func() {
		must(l.store(l.table).DeleteDiscovery(t.Context(), l.discovery, func(*ipam.Discovery) error { return nil }))(t)
		l.work()
	}}
	must(saving(200)(t.Context(), l, l.store(table)))(t)
	l.fsck()
	if found, _, err := l.store(l.table).DiscoveredAccounts(t.Context(), l.discovery, "", "", 0); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// An association that is made while the store clears the rest of the previous
// one is not forgotten.
func TestPurgeOvertaken(t *testing.T) {
	l := newPoolEnv(t)
	watched(l)
	s := l.store(l.table)
	must(disassociating(t.Context(), l, s))(t)
	again := func() {
		must(s.Associate(t.Context(), token("AssociateIpamResourceDiscovery", "again"), ipam.DiscoveryAssociation{IPAM: l.other, Discovery: l.discovery}, mayAssociate))(t)
	}
	table := &refusals{Table: &overtaken{Table: l.table, by: again}}
	must(0, l.store(table).RunWork(t.Context(), "purge#"+l.discovery))(t)
	if table.n != 1 {
		t.Errorf("%d transactions were refused, want the one that the association overtook", table.n)
	}
	l.fsck()
}

// refusals is a table that counts the transactions whose conditions do not hold.
type refusals struct {
	table.Table
	n int
}

func (r *refusals) Transact(ctx context.Context, writes []table.Write) error {
	err := r.Table.Transact(ctx, writes)
	if _, lost := errors.AsType[*table.ConditionError](err); lost {
		r.n++
	}
	return err
}

// further makes a discovery of an account that is associated with the
// env's IPAM and has looked at the tenant's account.
func (l *env) further(owner string) (*ipam.Discovery, *ipam.DiscoveryAssociation) {
	l.Helper()
	d, err := l.store.CreateDiscovery(l.Context(), l.fresh("CreateIpamResourceDiscovery"), ipam.Discovery{Meta: ipam.Meta{Owner: owner}, OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	a, err := l.store.Associate(l.Context(), l.fresh("AssociateIpamResourceDiscovery"), ipam.DiscoveryAssociation{IPAM: l.ipam.ID, Discovery: d.ID}, mayAssociate)
	l.must(err)
	l.must(l.store.SaveDiscoveredAccount(l.Context(), &ipam.DiscoveredAccount{Discovery: d.ID, Region: "eu-west-1", Account: otherAccount, Attempted: 1}))
	l.work()
	d.IPAMs = []string{l.ipam.ID}
	return d, a
}

// A resource that two discoveries of an IPAM found has one row, and its space is
// held as long as one of them finds it.
func TestTwoDiscoveriesFindTheSame(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/16")
	a, association := l.further(ownerAccount)
	b, _ := l.further(otherAccount)
	r := vpc("vpc-1", "10.0.0.0/24")
	see := func(d *ipam.Discovery, at int64) {
		t.Helper()
		_, err := l.store.Observe(t.Context(), d, []*ipam.IPAM{l.ipam}, r, at)
		l.must(err)
	}
	aside := store.New(l.memory, store.Options{Region: "eu-west-1", Now: func() time.Time { return l.now }})
	next := func(want string) {
		t.Helper()
		length := 24
		got, err := aside.Allocate(context.Background(), store.Allocate{Token: store.Token{Account: ownerAccount}, Pool: pool.ID, Request: ipam.AllocateRequest{Length: &length}, Preview: true, May: anyone})
		if err != nil || got.CIDR.String() != want {
			t.Errorf("the next /24 is %+v, %v; want %s", got, err, want)
		}
	}
	by := func(want ...string) {
		t.Helper()
		rows, _, err := l.store.Resources(t.Context(), l.ipam.PrivateScope, ipam.IPv4, "", 0)
		l.must(err)
		var got []string
		for _, r := range rows {
			got = append(got, r.Discovery)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the rows are by %q, want %q", got, want)
		}
		fscktest.Clean(t, l.memory, l.now)
	}
	see(a, 10)
	see(b, 20)
	by(a.ID)
	l.must(l.forgetAll(b))
	by(a.ID)
	next("10.0.1.0/24")
	see(b, 30)
	r.Name = "changed"
	see(b, 40)
	see(a, 50)
	by(a.ID)

	// When the association ends, the other takes over, and at no time is the
	// space free.
	_, err := l.store.Disassociate(t.Context(), association.ID, func(*ipam.DiscoveryAssociation) error { return nil })
	l.must(err)
	l.faulty.Inject = func(tabletest.Call) *tabletest.Fault { next("10.0.1.0/24"); return nil }
	l.work()
	l.faulty.Inject = nil
	by(b.ID)
	_, err = l.store.DeleteDiscovery(t.Context(), b.ID, func(*ipam.Discovery) error { return nil })
	l.must(err)
	l.work()
	by()
	next("10.0.0.0/24")
}

// An association ends and begins again, and meanwhile another discovery has taken
// over the resource: it has one row, and keeps it when the other discovery ends.
func TestAssociationThatBeginsAgain(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/16")
	a, association := l.further(ownerAccount)
	b, _ := l.further(otherAccount)
	r := vpc("vpc-1", "10.0.0.0/24")
	for _, d := range []*ipam.Discovery{a, b} {
		_, err := l.store.Observe(t.Context(), d, []*ipam.IPAM{l.ipam}, r, 10)
		l.must(err)
	}
	_, err := l.store.Disassociate(t.Context(), association.ID, func(*ipam.DiscoveryAssociation) error { return nil })
	l.must(err)
	_, err = l.store.Observe(t.Context(), b, []*ipam.IPAM{l.ipam}, r, 20)
	l.must(err)
	if at := l.row(r, l.ipam.PrivateScope); at.Discovery != b.ID {
		t.Fatalf("the row is by %s", at.Discovery)
	}
	_, err = l.store.Associate(t.Context(), l.fresh("AssociateIpamResourceDiscovery"), ipam.DiscoveryAssociation{IPAM: l.ipam.ID, Discovery: a.ID}, mayAssociate)
	l.must(err)
	l.settled()
	_, err = l.store.DeleteDiscovery(t.Context(), b.ID, func(*ipam.Discovery) error { return nil })
	l.must(err)
	l.settled()
	if got, err := l.allocate(ownerAccount, pool, 24, ""); err != nil || got.CIDR == r.CIDR {
		t.Errorf("%+v, %v was given, where a VPC is", got, err)
	}
}

// forgetAll has a discovery see nothing any more.
func (l *env) forgetAll(d *ipam.Discovery) error {
	found, _, err := l.store.Found(l.Context(), d.ID, "eu-west-1", otherAccount, "", 0)
	for _, f := range found {
		if _, err := l.store.Forget(l.Context(), f, 1<<40); err != nil {
			return err
		}
	}
	return err
}

// A resource that is observed while its association or its discovery ends does
// not remain after that end.
func TestObservedWhileItEnds(t *testing.T) {
	for name, end := range map[string]func(*env, *ipam.Discovery, *ipam.DiscoveryAssociation) error{
		"the discovery": func(l *env, d *ipam.Discovery, _ *ipam.DiscoveryAssociation) error {
			_, err := l.store.DeleteDiscovery(l.Context(), d.ID, func(*ipam.Discovery) error { return nil })
			return err
		},
		"the association": func(l *env, _ *ipam.Discovery, a *ipam.DiscoveryAssociation) error {
			_, err := l.store.Disassociate(l.Context(), a.ID, func(*ipam.DiscoveryAssociation) error { return nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newEnv(t)
			l.provision(l.pool("", false), "10.0.0.0/16")
			d, a := l.further(ownerAccount)
			table := &overtaken{Table: l.memory, by: func() {
				l.must(end(l, d, a))
				l.work()
			}}
			s := store.New(table, store.Options{Region: "eu-west-1", Now: func() time.Time { return l.now }})
			_, err := s.Observe(t.Context(), d, []*ipam.IPAM{l.ipam}, vpc("vpc-1", "10.0.0.0/24"), 10)
			l.must(err)
			l.work()
			rows, _, err := l.store.Resources(t.Context(), l.ipam.PrivateScope, ipam.IPv4, "", 0)
			l.must(err)
			if len(rows) > 0 {
				t.Errorf("%+v is left", rows[0])
			}
			fscktest.Clean(t, l.memory, l.now)
		})
	}
}
