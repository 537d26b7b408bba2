package ops_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func TestTags(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
	show := func(filters ...types.Filter) (list []string) {
		all, _, _ := pages(w, w.admin, &ec2.DescribeTagsInput{Filters: filters}, 5)
		for _, a := range all {
			d := a.(types.TagDescription)
			list = append(list, string(d.ResourceType)+" "+*d.ResourceId+" "+*d.Key+"="+*d.Value)
		}
		return list
	}
	all := []string{o.IPAM, o.Scope, o.Pool, o.Allocation, o.IPAM} // one of them twice
	do[ec2.CreateTagsOutput](w, w.admin, &ec2.CreateTagsInput{Resources: all, Tags: append(tags("k", "w", "e", ""), types.Tag{Key: aws.String("n")})})
	want := []string{}
	for _, r := range []string{"ipam " + o.IPAM, "ipam-scope " + o.Scope, "ipam-pool " + o.Pool, "ipam-pool-allocation " + o.Allocation} {
		want = append(want, r+" e=", r+" k=w", r+" n=")
	}
	if diff := cmp.Diff(want, show()); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		want    []string
		filters []types.Filter
	}{
		{want[:3], []types.Filter{where("resource-id", o.IPAM)}},
		{want[9:], []types.Filter{where("resource-id", o.Allocation, "ipam-pool-00000000000000000", "vpc-1")}},
		{want[:3], []types.Filter{where("resource-id", "ipam-?????????????????")}},
		{append(slices.Clone(want[:3]), want[9:]...), []types.Filter{where("resource-type", "ipam", "*allocation")}},
		{want[4:5], []types.Filter{where("resource-type", "ipam-scope"), where("key", "k")}},
		{want[1:2], []types.Filter{where("resource-type", "ipam"), where("value", "w")}},
		{[]string{want[0], want[2]}, []types.Filter{where("resource-id", o.IPAM), where("value", "")}},
		{want[0:1], []types.Filter{where("resource-id", o.IPAM), where("tag:e", "")}},
		{nil, []types.Filter{where("tag:k", "w"), where("tag:e", "")}}, // a tag has one key
		{nil, []types.Filter{where("resource-type", "vpc")}},
	} {
		if diff := cmp.Diff(c.want, show(c.filters...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.filters, diff)
		}
	}
	w.refused(t, w.admin, &ec2.DescribeTagsInput{Filters: []types.Filter{where("tag-key", "k")}}, "InvalidParameterValue", "resource-id")
	// The objects show their tags in the order of the keys.
	if got := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{Filters: []types.Filter{where("tag:k", "w")}}).Ipams; len(got) != 1 || cmp.Diff(got[0].Tags, tags("e", "", "k", "w", "n", ""), exported) != "" || got[0].State != "create-complete" {
		t.Errorf("the IPAM: %+v", got)
	}
	for _, c := range []struct {
		tags []types.Tag
		want string
	}{
		{tags("k", "x"), "e= k=w n="},
		{tags("e", "x", "k", "w"), "e= n="},
		{tags("e", ""), "n="},
		{[]types.Tag{{Key: aws.String("n")}, {Key: aws.String("nothing")}}, ""},
	} {
		do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: []string{o.Pool}, Tags: c.tags})
		var have []string
		for _, s := range show(where("resource-id", o.Pool)) {
			have = append(have, s[strings.LastIndexByte(s, ' ')+1:])
		}
		if got := strings.Join(have, " "); got != c.want {
			t.Errorf("after deleting %+v: %q, want %q", c.tags, got, c.want)
		}
	}
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: all})
	if left := show(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	before := w.table.Hash()
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: all})
	if w.table.Hash() != before {
		t.Error("deleting no tags has changed the table")
	}
}

// failing is a table whose transactions fail if a function says so.
type failing struct {
	*tabletest.Memory
	fail func() error
}

func (f failing) Transact(ctx context.Context, writes []table.Write) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Memory.Transact(ctx, writes)
}

// A request that fails in between has tagged whole objects, and can be repeated.
func TestTagsOfSeveralObjectsAreOneWriteEach(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
	lost := errors.New("the answer is lost")
	writes := 0
	w.registry = ops.New(store.New(failing{w.table, func() error {
		if writes++; writes > 2 {
			return table.ErrConflict
		}
		return nil
	}}, store.Options{Region: home, Sleep: func(context.Context, time.Duration) error { return lost }}), grants())
	in := &ec2.CreateTagsInput{Resources: []string{o.IPAM, o.Scope, o.Pool, o.Allocation}, Tags: tags("a", "b")}
	if _, err := w.registry.Call(w.admin, "CreateTags", in); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	count := func() int {
		return len(do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{Filters: []types.Filter{where("key", "a")}}).Tags)
	}
	if n := count(); n != 2 {
		t.Errorf("%d objects are tagged, want 2", n)
	}
	writes = -10
	do[ec2.CreateTagsOutput](w, w.admin, in)
	if n := count(); n != 4 || writes != -8 { // only the missing tags are written
		t.Errorf("%d objects are tagged after %d writes", n, writes+10)
	}
}

func TestTagsOfDiscoveries(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{TagSpecifications: specify("ipam-resource-discovery", "k", "v")}).IpamResourceDiscovery.IpamResourceDiscoveryId
	both := []string{*id, *m.DefaultResourceDiscoveryAssociationId}
	do[ec2.CreateTagsOutput](w, w.admin, &ec2.CreateTagsInput{Resources: both, Tags: tags("a", "b")})
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: both, Tags: tags("k", "v")})
	tag := func(kind types.ResourceType, id string) types.TagDescription {
		return types.TagDescription{ResourceType: kind, ResourceId: &id, Key: aws.String("a"), Value: aws.String("b")}
	}
	want := []types.TagDescription{tag("ipam-resource-discovery", both[0]), tag("ipam-resource-discovery-association", both[1])}
	for _, filters := range [][]types.Filter{nil, {where("resource-id", both...)}, {where("resource-type", "ipam-resource-discovery*")}} {
		if diff := cmp.Diff(want, do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{Filters: filters}).Tags, exported); diff != "" {
			t.Errorf("tags with the filters %v (-want +got):\n%s", filters, diff)
		}
	}
}

func TestTagsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// CreateTags
		{"ipam unknown: tag", &ec2.CreateTagsInput{Resources: []string{*f.top, *noIPAM}, Tags: tags("a", "b")}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"association unknown: tag", &ec2.CreateTagsInput{Resources: []string{*f.watcher, *noAssociation}, Tags: tags("a", "b")}, "InvalidIpamResourceDiscoveryAssociationId.NotFound", []string{*noAssociation}},
		{"tag a pool that is being deleted", &ec2.CreateTagsInput{Resources: []string{*f.top, *f.doomed}, Tags: tags("a", "b")}, "IncorrectState", []string{*f.doomed, "delete-in-progress"}},
		{"too many tags", &ec2.CreateTagsInput{Resources: []string{*f.top, *f.manager.IpamId}, Tags: tags(manyTags(51)...)}, "TagLimitExceeded", []string{"51", "50"}},
		{"a tag key too long", &ec2.CreateTagsInput{Resources: []string{*f.top}, Tags: tags(strings.Repeat("k", 129), "")}, "InvalidParameterValue", []string{"129", "128"}},
		{"a tag without a key", &ec2.CreateTagsInput{Resources: []string{*f.top}, Tags: tags("", "x")}, "InvalidParameterValue", []string{"1 to 128"}},
		{"a tag value too long", &ec2.CreateTagsInput{Resources: []string{*f.top}, Tags: tags("k", strings.Repeat("v", 257))}, "InvalidParameterValue", []string{"257", "256"}},
		{"a reserved tag key", &ec2.CreateTagsInput{Resources: []string{*f.top}, Tags: tags("AWS:x", "")}, "InvalidParameterValue", []string{"AWS:x", "reserved"}},
		{"a tag key twice", &ec2.CreateTagsInput{Resources: []string{*f.top}, Tags: tags("k", "1", "k", "2")}, "InvalidParameterValue", []string{"(k)", "more than once"}},
		{"tags for another service's resource", &ec2.CreateTagsInput{Resources: []string{*f.top, "vpc-0123456789abcdef0"}, Tags: tags("k", "v")}, "InvalidID", []string{"vpc-0123456789abcdef0", "pools"}},
		// DeleteTags
		{"scope unknown: untag", &ec2.DeleteTagsInput{Resources: []string{*noScope}}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"a tag to delete without a key", &ec2.DeleteTagsInput{Resources: []string{*f.top}, Tags: []types.Tag{{Value: shortText}}}, "MissingParameter", []string{"Key"}},
		{"tags for a pool's CIDR", &ec2.DeleteTagsInput{Resources: []string{"ipam-pool-cidr-" + strings.Repeat("0", 32)}}, "InvalidID", []string{"ipam-pool-cidr-"}},
		// DescribeTags
		{"a page of tags too small", &ec2.DescribeTagsInput{MaxResults: aws.Int32(4)}, "InvalidMaxResults", []string{"5 to 1000"}},
		{"a page of tags too large", &ec2.DescribeTagsInput{MaxResults: aws.Int32(1001)}, "InvalidMaxResults", []string{"5 to 1000"}},
	})
}
