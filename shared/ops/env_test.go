package ops_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const (
	home     = "us-east-1"
	account  = "111122223333"
	stranger = "444455556666"
	consumer = "777788889999" // pools are shared with it
)

// env is the real registry on a table in memory. The table is checked at the end of the
// test.
type env struct {
	t        *testing.T
	table    *tabletest.Memory
	store    *store.Store
	registry *registry.Registry
	cloud    *cloud // EC2 in every account and Region
	now      time.Time
	admin    context.Context // the account's administrator, calling from home
}

func newEnv(t *testing.T, change func(*ipam.Quotas)) *env {
	t.Helper()
	w := &env{t: t, table: &tabletest.Memory{}, cloud: &cloud{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	q := ipam.DefaultQuotas()
	if change != nil {
		change(&q)
	}
	w.store = store.New(w.table, store.Options{Region: home, Owner: account, Quotas: &q, Now: func() time.Time { return w.now }, NewID: newIDs()})
	w.registry = ops.New(w.store, grants(), ops.WithVending(w.cloud, false))
	w.admin = as(account, "admin", "")
	t.Cleanup(func() { fscktest.Clean(t, w.table, w.now) })
	return w
}

// newIDs returns a source of ids that are the same in each run.
func newIDs() func() string {
	n := 0
	return func() string { n++; return fmt.Sprint(n) }
}

// grants gives the users admin, allocator and reader of every account the class of their
// name.
func grants() registry.Authorizer {
	return registry.NewGrants([]registry.Grant{
		{Pattern: "arn:aws:iam::*:user/admin", Class: registry.Administer},
		{Pattern: "arn:aws:iam::*:user/allocator", Class: registry.Allocate},
		{Pattern: "arn:aws:iam::*:user/reader", Class: registry.Read},
	}, nil, 0, nil)
}

func as(account, user, region string) context.Context {
	return registry.WithCaller(context.Background(), registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/" + user, Region: region})
}

// operation returns the name of the operation that has an input.
func operation(in any) string {
	return strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
}

// do calls an operation that must succeed.
func do[Out any](w *env, ctx context.Context, in any) *Out {
	w.t.Helper()
	out, err := w.registry.Call(ctx, operation(in), in)
	if err != nil {
		w.t.Fatalf("%s: %v", operation(in), err)
	}
	return out.(*Out)
}

// refused calls an operation that must return the code, with all of the words in the
// message, and leave the table as it is.
func (w *env) refused(t *testing.T, ctx context.Context, in any, code ipam.Code, words ...string) {
	t.Helper()
	before := w.table.Hash()
	_, err := w.registry.Call(ctx, operation(in), in)
	if got := ipam.CodeOf(err); got != code {
		t.Errorf("%s: %v, want %s", operation(in), err, code)
		return
	}
	if s := ipam.InfoOf(code).Status; s < 400 || s > 499 {
		t.Errorf("%s: %s has the status %d", operation(in), code, s)
	}
	message := ipam.Public(err).Message
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Errorf("%s: the message %q lacks %q", operation(in), message, word)
		}
	}
	if w.table.Hash() != before {
		t.Errorf("%s: refused with %s, and the table has changed", operation(in), code)
	}
}

func (w *env) makeIPAM(in ec2.CreateIpamInput) *types.Ipam {
	w.t.Helper()
	return do[ec2.CreateIpamOutput](w, w.admin, &in).Ipam
}

// makePool creates a pool, IPv4 by default, and provisions the CIDRs.
func (w *env) makePool(in ec2.CreateIpamPoolInput, cidrs ...string) string {
	w.t.Helper()
	if in.AddressFamily == "" {
		in.AddressFamily = types.AddressFamilyIpv4
	}
	id := do[ec2.CreateIpamPoolOutput](w, w.admin, &in).IpamPool.IpamPoolId
	for _, c := range cidrs {
		do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: id, Cidr: &c})
	}
	return *id
}

// putFound puts a resource that a discovery found in home into the table, as an observation
// at a time in Unix milliseconds does, for the scopes of targets.
func (w *env) putFound(discovery string, at int64, r ipam.Resource, status ipam.Status, targets ...ipam.Target) {
	w.t.Helper()
	r.Region = home
	rows := []table.Row{items.EncodeFound(&ipam.Found{Resource: r, Discovery: discovery, Targets: targets, Sampled: at, Rev: 1})}
	for _, target := range targets {
		rows = append(rows, items.EncodeResource(&ipam.ResourceCIDR{
			Resource: r, Scope: target.Scope, Discovery: discovery, Ignored: target.Ignored, Status: status, Sampled: at, Since: at, Rev: 1,
		}))
	}
	var writes []table.Write
	for _, row := range rows {
		writes = append(writes, table.Write{Op: table.OpPut, Key: row.Key, Item: row.Item})
	}
	if err := w.table.Transact(w.t.Context(), writes); err != nil {
		w.t.Fatal(err)
	}
}

// observe lets a discovery see a resource in home at a time in Unix milliseconds.
func (w *env) observe(discovery string, at int64, r ipam.Resource) {
	w.t.Helper()
	r.Region = home
	found, err := w.store.Discoveries(w.t.Context(), []string{discovery})
	if err != nil || len(found) == 0 {
		w.t.Fatal(found, err)
	}
	ipams, err := w.store.IPAMs(w.t.Context(), found[0].IPAMs)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Observe(w.t.Context(), found[0], ipams, r, at); err != nil {
		w.t.Fatal(err)
	}
}

// recordRun records a complete run in an account.
func (w *env) recordRun(discovery, account string, at int64) {
	w.t.Helper()
	if err := w.store.SaveDiscoveredAccount(w.t.Context(), &ipam.DiscoveredAccount{Discovery: discovery, Region: home, Account: account, Attempted: at, Succeeded: at}); err != nil {
		w.t.Fatal(err)
	}
}

// recordDeparture records a complete run in an account that discovery does not read any
// more.
func (w *env) recordDeparture(discovery, account string, why ipam.Departure) {
	w.t.Helper()
	if err := w.store.SaveDiscoveredAccount(w.t.Context(), &ipam.DiscoveredAccount{Discovery: discovery, Region: home, Account: account, Attempted: 1, Succeeded: 1, Departure: why}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) allocate(in ec2.AllocateIpamPoolCidrInput) *types.IpamPoolAllocation {
	w.t.Helper()
	return do[ec2.AllocateIpamPoolCidrOutput](w, w.admin, &in).IpamPoolAllocation
}

func regions(names ...string) (list []types.AddIpamOperatingRegion) {
	for _, n := range names {
		list = append(list, types.AddIpamOperatingRegion{RegionName: aws.String(n)})
	}
	return list
}

// tags returns tags from keys and values in turn.
func tags(pairs ...string) (list []types.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, types.Tag{Key: aws.String(pairs[i]), Value: aws.String(pairs[i+1])})
	}
	return list
}

func specify(kind types.ResourceType, pairs ...string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: tags(pairs...)}}
}

func resourceTags(pairs ...string) (list []types.RequestIpamResourceTag) {
	for _, t := range tags(pairs...) {
		list = append(list, types.RequestIpamResourceTag{Key: t.Key, Value: t.Value})
	}
	return list
}

func where(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// exported leaves out the SDK's own fields of outputs, which no answer has.
var exported = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && (f.Name() == "ResultMetadata" || f.Name() == "noSmithyDocumentSerde")
}, cmp.Ignore())
