package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

func (w *env) resolver(rules ...ipam.ResolverRule) string {
	w.Helper()
	return must(w.store.CreateResolver(w.Context(), w.token("CreateIpamPrefixListResolver"), ipam.PrefixListResolver{IPAM: w.ipam.ID, Family: ipam.IPv4, Rules: rules}, func(*ipam.IPAM) error { return nil }))(w).ID
}

// work does the work of the provisioning function, and returns the sort keys of the notes
// for single CIDRs among it.
func (w *env) work() (members []string) {
	w.Helper()
	for range 4 {
		w.deliver()
		for _, sk := range must(w.store.PendingWork(w.Context(), w.now.Add(time.Hour)))(w) {
			if strings.HasPrefix(sk, "member#") {
				members = append(members, sk[strings.LastIndexByte(sk, '#')+1:])
			}
			if err := w.store.RunWork(w.Context(), sk); err != nil {
				w.Fatal(err)
			}
		}
	}
	return members
}

func (w *env) latest(id string) string {
	w.Helper()
	o := must(w.store.Resolvers(w.Context(), []string{id}))(w)[0]
	v := must(w.store.Version(w.Context(), id, o.Latest))(w)
	return fmt.Sprint(o.Latest, " ", v.CIDRs)
}

// Each change of the network makes versions of the resolvers that select it, and of no
// others.
func TestVersionsFollowTheStream(t *testing.T) {
	w := newEnv(t)
	prod := ipam.RuleCondition{Operation: ipam.OperationEquals, Tag: &ipam.ResourceTag{Key: "env", Value: "prod"}}
	vpcs := w.resolver(ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Scope: w.private, Resource: ipam.ResourceVPC, Conditions: []ipam.RuleCondition{prod}})
	pools := w.resolver(ipam.ResolverRule{Type: ipam.RulePoolCIDR, Scope: w.private})
	w.work()
	expect := func(step, noted, ofVPCs, ofPools string) {
		t.Helper()
		if got := strings.Join(w.work(), " "); got != noted {
			t.Errorf("%s: noted %q, want %q", step, got, noted)
		}
		if v, p := w.latest(vpcs), w.latest(pools); v != ofVPCs || p != ofPools {
			t.Errorf("%s: versions %s and %s, want %s and %s", step, v, p, ofVPCs, ofPools)
		}
		w.checkSettled()
	}
	expect("resolvers", "", "1 []", "1 []")
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	expect("a CIDR of a pool", "10.0.0.0/8", "1 []", "2 [10.0.0.0/8]")
	vpc := ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.1.0.0/16"), Owner: other, Region: region}
	w.observe(w.private, vpc)
	expect("a VPC without the tag", "", "1 []", "2 [10.0.0.0/8]")
	w.now = w.now.Add(time.Minute)
	vpc.Tags = ipam.Tags{"env": "prod"}
	w.observe(w.private, vpc)
	expect("the VPC gets the tag", "10.1.0.0/16", "2 [10.1.0.0/16]", "2 [10.0.0.0/8]")
	w.now = w.now.Add(time.Minute)
	vpc.Name = "other"
	w.observe(w.private, vpc)
	expect("the VPC gets a name", "", "2 [10.1.0.0/16]", "2 [10.0.0.0/8]")
	w.forget(w.private, vpc)
	expect("the VPC goes", "10.1.0.0/16", "3 []", "2 [10.0.0.0/8]")
	must(w.store.Deprovision(t.Context(), store.Deprovision{Pool: pool, CIDR: netip.MustParsePrefix("10.0.0.0/8"), May: func(*ipam.Pool) error { return nil }}))(t)
	must(w.store.DeletePool(t.Context(), pool, false, func(*ipam.Pool) error { return nil }))(t)
	w.handler.scopes.Clear() // another process, which never read the pool
	expect("the pool goes", "10.0.0.0/8", "3 []", "3 []")
}

// A batch without changes of resources and pools reads no resolvers. Any other reads them
// once. If they cannot be read, the records are tried again.
func TestResolversAreReadOnceForABatch(t *testing.T) {
	w := newEnv(t)
	w.resolver(ipam.ResolverRule{Type: ipam.RulePoolCIDR, Scope: w.private})
	w.work()
	reads, fail := 0, false
	w.handler.store = resolverReads{w.handler.store, func() error {
		reads++
		if fail {
			return errors.New("not now")
		}
		return nil
	}}
	for i := range 3 {
		w.pool(ipam.Rules{}, fmt.Sprintf("10.%d.0.0/16", i))
	}
	records := w.table.records[w.read:]
	fail = true
	if done := w.batch(records); done == len(records) {
		t.Error("no record failed")
	}
	if fail = false; w.batch(records) != len(records) || reads != 2 {
		t.Errorf("%d reads", reads)
	}
}

type resolverReads struct {
	Store
	read func() error
}

func (s resolverReads) AllResolvers(ctx context.Context) ([]*ipam.PrefixListResolver, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	return s.Store.AllResolvers(ctx)
}
