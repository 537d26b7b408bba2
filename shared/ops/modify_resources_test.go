package ops_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// defaults is an IPAM that has seen the default VPCs of some accounts, each with a subnet,
// and a VPC of another CIDR.
type defaults struct {
	*env
	scope *string
}

func newDefaults(t *testing.T, n int) *defaults {
	t.Helper()
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	d := &defaults{w, m.PrivateDefaultScopeId}
	ignoring := store.New(w.table, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }, IgnoreDefaultVPCs: true})
	ordinary := w.store
	w.store = ignoring
	for i := range n {
		owner, id := fmt.Sprintf("%012d", 100+i), fmt.Sprint("vpc-", i)
		w.recordRun(*m.DefaultResourceDiscoveryId, owner, 1)
		w.observe(*m.DefaultResourceDiscoveryId, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: id, CIDR: netip.MustParsePrefix("172.31.0.0/16"), Owner: owner, VPC: id, DefaultVPC: true, Tags: ipam.Tags{"half": fmt.Sprint(i % 2)}})
		w.observe(*m.DefaultResourceDiscoveryId, 1, ipam.Resource{Type: ipam.ResourceSubnet, ID: fmt.Sprint("subnet-", i), CIDR: netip.MustParsePrefix("172.31.0.0/20"), Owner: owner, VPC: id, DefaultVPC: true})
	}
	w.recordRun(*m.DefaultResourceDiscoveryId, account, 1)
	w.observe(*m.DefaultResourceDiscoveryId, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-other", CIDR: netip.MustParsePrefix("10.0.0.0/16"), Owner: account, VPC: "vpc-other"})
	w.store = ordinary
	return d
}

// states counts the resources of default VPCs by type, management and overlap.
func (d *defaults) states() map[string]int {
	d.t.Helper()
	n := map[string]int{}
	for _, r := range do[ec2.GetIpamResourceCidrsOutput](d.env, d.admin, &ec2.GetIpamResourceCidrsInput{IpamScopeId: d.scope, Filters: []types.Filter{where("is-default", "true")}}).IpamResourceCidrs {
		n[fmt.Sprintf("%s %s %s", r.ResourceType, r.ManagementState, r.OverlapStatus)]++
	}
	return n
}

func (d *defaults) expect(want map[string]int) {
	d.t.Helper()
	if got := d.states(); fmt.Sprint(got) != fmt.Sprint(want) {
		d.t.Errorf("%v, want %v", got, want)
	}
}

func (d *defaults) change(monitored bool) *ops.ModifyIpamResourceCidrsInput {
	return &ops.ModifyIpamResourceCidrsInput{IpamScopeId: d.scope, Filters: []types.Filter{where("is-default", "true")}, Monitored: &monitored}
}

func ids(all []types.IpamResourceCidr) (ids []string) {
	for _, r := range all {
		ids = append(ids, *r.ResourceId)
	}
	return ids
}

// Default VPCs are ignored from the start. One call monitors all of them: they overlap, with
// their subnets. Another ignores them again. A preview writes nothing; a repeated call
// neither.
func TestModifyResources(t *testing.T) {
	d := newDefaults(t, 7)
	ignored := map[string]int{"vpc ignored ignored": 7, "subnet ignored ignored": 7}
	d.expect(ignored)
	before := d.table.Hash()
	preview := d.change(true)
	preview.PreviewOnly = aws.Bool(true)
	seven := []string{"vpc-0", "vpc-1", "vpc-2", "vpc-3", "vpc-4", "vpc-5", "vpc-6"}
	shown := do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, preview)
	if got := ids(shown.IpamResourceCidrs); !slices.Equal(got, seven) || shown.NextToken != nil || shown.IpamResourceCidrs[0].ManagementState != types.IpamManagementStateIgnored {
		t.Errorf("the preview has %+v", shown)
	}
	dry := d.change(true)
	dry.DryRun = aws.Bool(true)
	d.refused(t, d.admin, dry, "DryRunOperation")
	if d.table.Hash() != before {
		t.Error("a preview has changed the table")
	}

	changed := do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, d.change(true))
	if got := ids(changed.IpamResourceCidrs); !slices.Equal(got, seven) || changed.NextToken != nil || changed.IpamResourceCidrs[6].OverlapStatus != types.IpamOverlapStatusOverlapping {
		t.Errorf("changed are %+v", changed)
	}
	d.expect(map[string]int{"vpc unmanaged overlapping": 7, "subnet  overlapping": 7})
	before = d.table.Hash()
	if again := do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, d.change(true)); len(again.IpamResourceCidrs) > 0 || again.NextToken != nil || d.table.Hash() != before {
		t.Errorf("a repeated call changes %v", ids(again.IpamResourceCidrs))
	}

	half := d.change(false)
	half.Filters, half.ResourceTag = nil, &types.RequestIpamResourceTag{Key: aws.String("half"), Value: aws.String("0")}
	if got := ids(do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, half).IpamResourceCidrs); !slices.Equal(got, []string{"vpc-0", "vpc-2", "vpc-4", "vpc-6"}) {
		t.Errorf("ignored by tag are %v", got)
	}
	d.expect(map[string]int{"vpc unmanaged overlapping": 3, "subnet  overlapping": 3, "vpc ignored ignored": 4, "subnet ignored ignored": 4})
	do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, d.change(false))
	d.expect(ignored)
}

// In pages, each call changes as many as it may, and all together change each once. A page
// of filters by the state, which the change itself alters, passes over none.
func TestModifyResourcesInPages(t *testing.T) {
	d := newDefaults(t, 12)
	in := &ops.ModifyIpamResourceCidrsInput{IpamScopeId: d.scope, Filters: []types.Filter{where("management-state", "ignored")}, Monitored: aws.Bool(true), MaxResults: aws.Int32(5)}
	var all []string
	var sizes []int
	for {
		out := do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, in)
		all, sizes = append(all, ids(out.IpamResourceCidrs)...), append(sizes, len(out.IpamResourceCidrs))
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.Sort(all)
	if !slices.Equal(sizes, []int{5, 5, 2}) || len(slices.Compact(all)) != 12 {
		t.Errorf("%v in pages of %v", all, sizes)
	}
	d.expect(map[string]int{"vpc unmanaged overlapping": 12, "subnet  overlapping": 12})
}

// A call ends after ten seconds with one change at least, and its token continues it.
func TestModifyResourcesEndsInTime(t *testing.T) {
	d := newDefaults(t, 4)
	d.registry = ops.New(store.New(d.table, store.Options{Region: home, Owner: account, Now: func() time.Time { d.now = d.now.Add(4 * time.Second); return d.now }}), grants())
	in, calls := d.change(true), 0
	for in.NextToken != nil || calls == 0 {
		out := do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, in)
		if len(out.IpamResourceCidrs) != 1 {
			t.Fatalf("call %d changes %v", calls, ids(out.IpamResourceCidrs))
		}
		in.NextToken = out.NextToken
		calls++
	}
	if calls != 4 {
		t.Errorf("%d calls", calls)
	}
	d.expect(map[string]int{"vpc unmanaged overlapping": 4, "subnet  overlapping": 4})
}

// Any call of the table may fail, carried out or not, alone or with all later ones. An error
// is answered only if no change is certain; an answer names no CIDR that is not changed;
// and the calls from its token, or the same call again, change the rest.
func TestModifyResourcesUnderFaults(t *testing.T) {
	parts, errs := 0, 0
	for at := 0; ; at += 3 {
		d := newDefaults(t, 3)
		faulty := &tabletest.Faulty{Table: d.table}
		d.registry = ops.New(store.New(faulty, store.Options{Region: home, Owner: account, Now: func() time.Time { return d.now }}), grants())
		n := 0
		faulty.Inject = func(tabletest.Call) *tabletest.Fault {
			if n++; n-1 >= at {
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: n-1 == at && at%2 == 0}
			}
			return nil
		}
		in := d.change(true)
		out, err := d.registry.Call(d.admin, "ModifyIpamResourceCidrs", in)
		faulty.Inject = nil
		if err == nil {
			got := out.(*ops.ModifyIpamResourceCidrsOutput)
			in.NextToken = got.NextToken
			found, err := d.store.Overlapping(t.Context(), *d.scope, netip.MustParsePrefix("172.31.0.0/16"))
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids(got.IpamResourceCidrs) {
				if i := slices.IndexFunc(found, func(f *ipam.ResourceCIDR) bool { return f.ID == id }); i < 0 || found[i].Ignored {
					t.Errorf("call %d: %s is answered, and not monitored", at, id)
				}
			}
			if got.NextToken != nil {
				parts++
			}
		} else {
			errs++
		}
		for err != nil || in.NextToken != nil {
			err = nil
			in.NextToken = do[ops.ModifyIpamResourceCidrsOutput](d.env, d.admin, in).NextToken
		}
		work, err := d.store.PendingWork(t.Context(), d.now.Add(time.Hour))
		for _, sk := range work {
			if err == nil {
				err = d.store.RunWork(t.Context(), sk)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		d.expect(map[string]int{"vpc unmanaged overlapping": 3, "subnet  overlapping": 3})
		if n <= at {
			break
		}
	}
	if parts == 0 || errs == 0 {
		t.Errorf("%d parts and %d errors: the test tries too little", parts, errs)
	}
}
