package ops_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

var update = flag.Bool("update", false, "rewrite the parts of the docs that the registry generates")

// The registry agrees with the API model on each operation.
func TestMetaAgreesWithTheModel(t *testing.T) {
	for _, o := range ops.New(nil, nil).Operations() {
		model, ok := schema.Lookup(o.Name)
		if o.Summary == "" || !strings.HasSuffix(o.Summary, ".") || strings.Contains(o.Summary, "|") {
			t.Errorf("%s: summary %q", o.Name, o.Summary)
		}
		if !ok || model.Own != strings.Contains(o.Summary, "xtension") {
			t.Errorf("%s: neither in the EC2 API nor described as an extension", o.Name)
		}
		if !ok || model.Own {
			continue
		}
		if want := o.Name + "Input"; o.InType.Name() != want {
			t.Errorf("%s takes a %s", o.Name, o.InType)
		}
		has := func(member string) bool { _, ok := o.InType.FieldByName(member); return ok }
		if o.Idempotent != has("ClientToken") || o.Paginated != has("NextToken") || o.Mutates == o.Paginated {
			t.Errorf("%s: %+v", o.Name, o.Meta)
		}
		if o.Mutates == (o.Class == registry.Read) {
			t.Errorf("%s has the class %s and Mutates %v", o.Name, o.Class, o.Mutates)
		}
	}
}

func TestREADMEListsTheOperations(t *testing.T) {
	const path, begin, end = "README.md", "-update` -->\n", "<!-- /operations -->"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), "<!-- operations:")
	intro, rest, ok2 := strings.Cut(rest, begin)
	_, tail, ok3 := strings.Cut(rest, end)
	if !ok || !ok2 || !ok3 {
		t.Fatal("the README lacks the marks of the list of operations")
	}
	var table strings.Builder
	table.WriteString("| operation | class | paginated | idempotent | description |\n|---|---|---|---|---|\n")
	mark := map[bool]string{true: "yes"}
	for _, o := range ops.New(nil, nil).Operations() {
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n", o.Name, o.Class, mark[o.Paginated], mark[o.Idempotent], o.Summary)
	}
	want := head + "<!-- operations:" + intro + begin + table.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(b), want); diff != "" && !*update {
		t.Errorf("the README is not as the registry has it; run `go test ./shared/ops -run README -update` (-have +want):\n%s", diff)
	}
}

// objects are the ids that requests name.
type objects struct{ IPAM, Scope, Pool, Allocation, CIDR, Discovery, Association, Resolver string }

// requests returns a request of each operation that names an object. It changes something
// if the caller may call it.
func requests(o objects) []any {
	text := aws.String("changed")
	return []any{
		&ec2.ModifyIpamInput{IpamId: &o.IPAM, Description: text},
		&ec2.DeleteIpamInput{IpamId: &o.IPAM, Cascade: aws.Bool(true)},
		&ec2.DescribeIpamsInput{IpamIds: []string{o.IPAM}},
		&ec2.CreateIpamScopeInput{IpamId: &o.IPAM},
		&ec2.ModifyIpamScopeInput{IpamScopeId: &o.Scope, Description: text},
		&ec2.DeleteIpamScopeInput{IpamScopeId: &o.Scope},
		&ec2.DescribeIpamScopesInput{IpamScopeIds: []string{o.Scope}},
		&ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope, AddressFamily: "ipv4"},
		&ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope, AddressFamily: "ipv4", SourceIpamPoolId: &o.Pool},
		&ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope, AddressFamily: "ipv4", SourceIpamPoolId: aws.String("ipam-pool-00000000")},
		&ec2.ModifyIpamPoolInput{IpamPoolId: &o.Pool, Description: text},
		&ec2.DeleteIpamPoolInput{IpamPoolId: &o.Pool, Cascade: aws.Bool(true)},
		&ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{o.Pool}},
		&ops.PutIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: aws.String(consumer)},
		&ops.DeleteIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: aws.String(consumer)},
		&ops.DescribeIpamPoolSharesInput{IpamPoolIds: []string{o.Pool}},
		&ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &o.Pool, Cidr: aws.String("11.0.0.0/24")},
		&ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &o.Pool, Cidr: aws.String("10.0.0.0/16")},
		&ec2.GetIpamPoolCidrsInput{IpamPoolId: &o.Pool},
		&ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24)},
		&ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24), PreviewNextCidr: aws.Bool(true)},
		&ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &o.Pool, Cidr: &o.CIDR, IpamPoolAllocationId: &o.Allocation},
		&ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: &o.Allocation, Description: text},
		&ec2.CreateVpcInput{Ipv4IpamPoolId: &o.Pool, Ipv4NetmaskLength: aws.Int32(24)},
		&ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: &o.Pool, Ipv4NetmaskLength: aws.Int32(24)},
		&ec2.CreateSubnetInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: &o.Pool, Ipv4NetmaskLength: aws.Int32(28)},
		&ec2.GetIpamPoolAllocationsInput{IpamPoolId: &o.Pool},
		&ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{o.Allocation}},
		&ec2.GetIpamAddressHistoryInput{IpamScopeId: &o.Scope, Cidr: aws.String("10.0.0.0/24")},
		&ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: &o.Discovery, Description: text},
		&ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: &o.Discovery},
		&ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{o.Discovery}},
		&ec2.AssociateIpamResourceDiscoveryInput{IpamId: &o.IPAM, IpamResourceDiscoveryId: &o.Discovery},
		&ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: &o.Association},
		&ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{o.Association}},
		&ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: &o.Discovery, DiscoveryRegion: aws.String(home)},
		&ops.DeleteIpamDiscoveredAccountInput{IpamResourceDiscoveryId: &o.Discovery, AccountId: aws.String(stranger)},
		&ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: &o.Discovery, ResourceRegion: aws.String(home)},
		&ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: &o.Discovery, AddressRegion: aws.String(home)},
		&ec2.GetIpamResourceCidrsInput{IpamScopeId: &o.Scope},
		&ec2.GetIpamResourceCidrsInput{IpamScopeId: &o.Scope, IpamPoolId: &o.Pool},
		&ops.GetIpamSpaceMapInput{IpamScopeId: &o.Scope},
		&ops.GetIpamSpaceMapInput{IpamPoolId: &o.Pool},
		&ops.GetIpamPoolUtilizationInput{IpamPoolIds: []string{o.Pool}},
		&ops.GetIpamSummaryInput{IpamId: &o.IPAM},
		&ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: &o.Scope, ResourceId: aws.String("vpc-1"), ResourceCidr: aws.String("10.0.0.0/16"), ResourceRegion: aws.String(home), Monitored: aws.Bool(false)},
		&ops.ModifyIpamResourceCidrsInput{IpamScopeId: &o.Scope, ResourceId: aws.String("vpc-1"), Monitored: aws.Bool(false)},
		&ec2.CreateIpamPrefixListResolverInput{IpamId: &o.IPAM, AddressFamily: "ipv4"},
		&ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &o.Resolver, Description: text},
		&ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &o.Resolver, Rules: statics("10.0.0.0/8")},
		&ec2.DeleteIpamPrefixListResolverInput{IpamPrefixListResolverId: &o.Resolver},
		&ec2.DescribeIpamPrefixListResolversInput{IpamPrefixListResolverIds: []string{o.Resolver}},
		&ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: &o.Resolver},
		&ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: &o.Resolver},
		&ec2.GetIpamPrefixListResolverVersionEntriesInput{IpamPrefixListResolverId: &o.Resolver, IpamPrefixListResolverVersion: aws.Int64(1)},
		&ec2.CreateTagsInput{Resources: []string{o.Resolver}, Tags: tags("a", "b")},
		&ec2.CreateTagsInput{Resources: []string{o.Discovery}, Tags: tags("a", "b")},
		&ec2.CreateTagsInput{Resources: []string{o.Association}, Tags: tags("a", "b")},
		&ec2.CreateTagsInput{Resources: []string{o.IPAM}, Tags: tags("a", "b")},
		&ec2.CreateTagsInput{Resources: []string{o.Scope}, Tags: tags("a", "b")},
		&ec2.CreateTagsInput{Resources: []string{o.Pool}, Tags: tags("a", "b")},
		&ec2.CreateTagsInput{Resources: []string{o.Allocation}, Tags: tags("a", "b")},
		&ec2.DeleteTagsInput{Resources: []string{o.IPAM}},
		&ec2.DeleteTagsInput{Resources: []string{o.Allocation}},
	}
}

func (w *env) oneOfEach() objects {
	m := w.makeIPAM(ec2.CreateIpamInput{TagSpecifications: specify("ipam", "k", "v")})
	scope := do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}).IpamScope.IpamScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope}, "10.0.0.0/16")
	a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24), TagSpecifications: specify("ipam-pool-allocation", "k", "v")})
	d := do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	with := do[ec2.AssociateIpamResourceDiscoveryOutput](w, w.admin, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: m.IpamId, IpamResourceDiscoveryId: d}).IpamResourceDiscoveryAssociation
	w.recordDeparture(*d, stranger, ipam.DepartedAccount)
	resolver := w.makeResolver(ec2.CreateIpamPrefixListResolverInput{IpamId: m.IpamId})
	w.work()
	return objects{*m.IpamId, *scope, pool, *a.IpamPoolAllocationId, *a.Cidr, *d, *with.IpamResourceDiscoveryAssociationId, resolver}
}

// Each operation refuses a caller without its class, with and without DryRun, and writes
// nothing.
func TestClassesAreNeeded(t *testing.T) {
	w := newEnv(t, nil)
	byName := map[string]any{
		"DisassociateVpcCidrBlock":   &ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("vpc-cidr-assoc-1")},
		"ReportIpamResourceDeletion": reportOf("vpc-1"),
		"CreateIpam":                 &ec2.CreateIpamInput{}, "CreateIpamResourceDiscovery": &ec2.CreateIpamResourceDiscoveryInput{}, "DescribeTags": &ec2.DescribeTagsInput{},
		"GetCallerAccess": &ops.GetCallerAccessInput{}, "SearchIpam": &ops.SearchIpamInput{Text: aws.String("text")},
		"GetAccessGrants": &ops.GetAccessGrantsInput{}, "PutAccessGrants": &ops.PutAccessGrantsInput{Readers: []string{"*"}},
		"EnableIpamOrganizationAdminAccount":  &ec2.EnableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: aws.String(account)},
		"DisableIpamOrganizationAdminAccount": &ec2.DisableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: aws.String(account)},
	}
	for _, in := range requests(w.oneOfEach()) {
		byName[operation(in)] = in
	}
	users := map[string]registry.Class{"nobody": 0, "reader": registry.Read, "allocator": registry.Allocate, "admin": registry.Administer}
	for _, o := range w.registry.Operations() {
		in, ok := byName[o.Name]
		if !ok {
			t.Errorf("%s is not tried", o.Name)
			continue
		}
		for user, class := range users {
			for _, dry := range []bool{false, true} {
				try := reflect.New(o.InType)
				try.Elem().Set(reflect.ValueOf(in).Elem())
				if f := try.Elem().FieldByName("DryRun"); f.IsValid() {
					f.Set(reflect.ValueOf(&dry))
				} else if dry {
					continue
				}
				switch {
				case o.Management: // for no caller of this account, of any class
					w.refused(t, as(account, user, ""), try.Interface(), "UnauthorizedOperation", "You are not authorized to perform this operation. "+o.Name)
				case class < o.Class:
					w.refused(t, as(account, user, ""), try.Interface(), "UnauthorizedOperation", "You are not authorized to perform this operation. "+o.Name, o.Class.String())
				case dry:
					w.refused(t, as(account, user, ""), try.Interface(), "DryRunOperation")
				}
			}
		}
	}
}

// The administrator of another account gets the same answer for each object as for an id
// that does not exist, and sees nothing in any list.
func TestObjectsOfOthersDoNotExist(t *testing.T) {
	w := newEnv(t, nil)
	have := w.oneOfEach()
	none := objects{"ipam-0123456789abcdef0", "ipam-scope-0123456789abcdef0", "ipam-pool-0123456789abcdef0", "ipam-pool-alloc-" + strings.Repeat("0f", 16), have.CIDR, "ipam-res-disco-0123456789abcdef0", "ipam-res-disco-assoc-0123456789abcdef0", "ipam-prefix-list-resolver-0123456789abcdef0"}
	names := strings.NewReplacer(none.IPAM, have.IPAM, none.Scope, have.Scope, none.Pool, have.Pool, none.Allocation, have.Allocation, none.Discovery, have.Discovery, none.Association, have.Association, none.Resolver, have.Resolver)
	ctx := as(stranger, "admin", "")
	before := w.table.Hash()
	tried := map[string]bool{"CreateIpam": true, "CreateIpamResourceDiscovery": true, "DescribeTags": true, "DisassociateVpcCidrBlock": true, "ReportIpamResourceDeletion": true, "GetCallerAccess": true, "SearchIpam": true} // they name no object
	unknown := requests(none)
	for i, in := range requests(have) {
		tried[operation(in)] = true
		_, anothers := w.registry.Call(ctx, operation(in), in)
		_, nobodys := w.registry.Call(ctx, operation(in), unknown[i])
		if !strings.HasSuffix(string(ipam.CodeOf(anothers)), ".NotFound") {
			t.Errorf("%s: %v, want not found", operation(in), anothers)
		}
		if got, want := fmt.Sprint(anothers), names.Replace(fmt.Sprint(nobodys)); got != want {
			t.Errorf("%s answers differently for another's object and for none:\n%s\n%s", operation(in), got, want)
		}
	}
	for _, o := range w.registry.Operations() {
		if !tried[o.Name] && !o.Home && !o.Management {
			t.Errorf("%s is not tried", o.Name)
		}
		if strings.HasPrefix(o.Name, "Describe") {
			out, err := w.registry.Call(ctx, o.Name, o.New())
			if err != nil || !reflect.ValueOf(out).Elem().Field(0).IsZero() || !reflect.ValueOf(out).Elem().Field(1).IsZero() {
				t.Errorf("%s: %+v, %v", o.Name, out, err)
			}
		}
	}
	if w.table.Hash() != before {
		t.Error("the table has changed")
	}
	// The own pool and a filter of tags do not show either whether an allocation of another
	// account exists.
	own := do[ec2.CreateIpamOutput](w, ctx, &ec2.CreateIpamInput{}).Ipam
	pool := do[ec2.CreateIpamPoolOutput](w, ctx, &ec2.CreateIpamPoolInput{IpamScopeId: own.PrivateDefaultScopeId, AddressFamily: "ipv4"}).IpamPool.IpamPoolId
	for _, id := range []string{have.Allocation, none.Allocation} {
		w.refused(t, ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: pool, Cidr: &have.CIDR, IpamPoolAllocationId: &id}, "InvalidParameterCombination", ipam.NoAllocation, id)
	}
	for _, id := range []string{have.IPAM, have.Allocation} {
		out := do[ec2.DescribeTagsOutput](w, ctx, &ec2.DescribeTagsInput{Filters: []types.Filter{where("resource-id", id)}})
		if len(out.Tags) > 0 {
			t.Errorf("tags of %s: %+v", id, out.Tags)
		}
	}
	_, err := w.registry.Call(ctx, "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: own.PrivateDefaultScopeId, AddressFamily: "ipv4", SourceIpamPoolId: &have.Pool})
	if ipam.CodeOf(err) != "InvalidIpamPoolId.NotFound" {
		t.Errorf("a pool under another's: %v", err)
	}
	for _, id := range []string{have.Discovery, none.Discovery} {
		w.refused(t, ctx, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: own.IpamId, IpamResourceDiscoveryId: &id}, "InvalidIpamResourceDiscoveryId.NotFound", id)
	}
	w.refused(t, ctx, &ec2.GetIpamResourceCidrsInput{IpamScopeId: own.PrivateDefaultScopeId, IpamPoolId: &have.Pool}, "InvalidIpamPoolId.NotFound", have.Pool)
}

// A request with the same token and parameters is the same request: it gets the first
// answer, also after the object has changed, and writes nothing.
func TestClientTokens(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.Discoveries = 2 })
	m := w.makeIPAM(ec2.CreateIpamInput{ClientToken: aws.String("t"), Description: aws.String("once"), OperatingRegions: regions(home)})
	scope := do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}).IpamScope
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope.IpamScopeId}, "10.0.0.0/16")
	child := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope.IpamScopeId, SourceIpamPoolId: &pool})
	discovery := do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	token := aws.String("t")
	tried := map[string]bool{}
	for _, c := range []struct {
		in    any // the request that is sent twice
		other any // with another parameter
		after any // the request in between
	}{
		{&ec2.CreateIpamInput{ClientToken: token, Description: aws.String("once"), OperatingRegions: regions(home)},
			&ec2.CreateIpamInput{ClientToken: token, Description: aws.String("once")},
			&ec2.ModifyIpamInput{IpamId: m.IpamId, Description: aws.String("later")}},
		{&ec2.CreateIpamScopeInput{ClientToken: token, IpamId: m.IpamId, TagSpecifications: specify("ipam-scope", "k", "v")},
			&ec2.CreateIpamScopeInput{ClientToken: token, IpamId: m.IpamId, TagSpecifications: specify("ipam-scope", "k", "w")}, nil},
		{&ec2.CreateIpamPoolInput{ClientToken: token, IpamScopeId: scope.IpamScopeId, AddressFamily: "ipv4"},
			&ec2.CreateIpamPoolInput{ClientToken: token, IpamScopeId: scope.IpamScopeId, AddressFamily: "ipv4", AutoImport: aws.Bool(false)}, nil},
		{&ec2.CreateIpamResourceDiscoveryInput{ClientToken: token},
			&ec2.CreateIpamResourceDiscoveryInput{ClientToken: token, OperatingRegions: regions(home)}, nil},
		{&ec2.AssociateIpamResourceDiscoveryInput{ClientToken: token, IpamId: m.IpamId, IpamResourceDiscoveryId: discovery},
			&ec2.AssociateIpamResourceDiscoveryInput{ClientToken: token, IpamId: m.IpamId, IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId},
			&ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: discovery}},
		{&ec2.CreateIpamPrefixListResolverInput{ClientToken: token, IpamId: m.IpamId, AddressFamily: "ipv4", Rules: statics("10.0.0.0/8")},
			&ec2.CreateIpamPrefixListResolverInput{ClientToken: token, IpamId: m.IpamId, AddressFamily: "ipv4", Rules: statics("10.0.0.0/9")}, nil},
		{&ec2.ProvisionIpamPoolCidrInput{ClientToken: token, IpamPoolId: &child, NetmaskLength: aws.Int32(24)},
			&ec2.ProvisionIpamPoolCidrInput{ClientToken: token, IpamPoolId: &child, NetmaskLength: aws.Int32(25)},
			&ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &child, Cidr: aws.String("10.0.0.0/24")}},
		{&ec2.AllocateIpamPoolCidrInput{ClientToken: token, IpamPoolId: &pool, NetmaskLength: aws.Int32(24), DisallowedCidrs: []string{"10.0.7.0/24"}},
			&ec2.AllocateIpamPoolCidrInput{ClientToken: token, IpamPoolId: &pool, NetmaskLength: aws.Int32(24), AllowedCidrs: []string{"10.0.7.0/24"}},
			&ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)}},
	} {
		name := operation(c.in)
		tried[name] = true
		first, err := w.registry.Call(w.admin, name, c.in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.after != nil {
			if _, err := w.registry.Call(w.admin, operation(c.after), c.after); err != nil {
				t.Fatal(err)
			}
		}
		before := w.table.Hash()
		// DryRun=false changes nothing.
		again := reflect.New(reflect.TypeOf(c.in).Elem())
		again.Elem().Set(reflect.ValueOf(c.in).Elem())
		again.Elem().FieldByName("DryRun").Set(reflect.ValueOf(aws.Bool(false)))
		second, err := w.registry.Call(w.admin, name, again.Interface())
		if err != nil {
			t.Fatalf("%s again: %v", name, err)
		}
		if diff := cmp.Diff(first, second, exported); diff != "" {
			t.Errorf("%s again answers differently:\n%s", name, diff)
		}
		if w.table.Hash() != before {
			t.Errorf("%s again has changed the table", name)
		}
		w.refused(t, w.admin, c.other, "IdempotentParameterMismatch", `"t"`)
	}
	for _, o := range w.registry.Operations() {
		if o.Idempotent != tried[o.Name] {
			t.Errorf("%s: idempotent %v, tried %v", o.Name, o.Idempotent, tried[o.Name])
		}
	}
	// The same token of another account, or of another operation, is another token.
	if other := do[ec2.CreateIpamOutput](w, as(stranger, "admin", ""), &ec2.CreateIpamInput{ClientToken: token, Description: aws.String("once"), OperatingRegions: regions(home)}).Ipam; *other.IpamId == *m.IpamId || *other.OwnerId != stranger {
		t.Errorf("with another account's token: %+v", other)
	}
	// Requests without a token, and with an empty one, are all different.
	a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(28), ClientToken: aws.String("")})
	b := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(28), ClientToken: aws.String("")})
	if *a.Cidr == *b.Cidr {
		t.Error("two requests without a token got one block")
	}
}
