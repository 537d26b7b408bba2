package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// overlaps is a table that notes the rows to which a status of overlap is written. The
// history function sends Overlap Detected for each such write.
type overlaps struct {
	table.Table
	mu   sync.Mutex
	rows map[string]bool
}

func (o *overlaps) Transact(ctx context.Context, writes []table.Write) error {
	err := o.Table.Transact(ctx, writes)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range writes {
		if strings.HasPrefix(w.Key.PK, items.LivePrefix) && strings.Contains(w.Item.Str(items.AttrStatus)+w.Set.Str(items.AttrStatus), `"overlapping"`) {
			o.rows[w.Key.SK] = true
		}
	}
	return err
}

// of returns the rows that contain a text, sorted.
func (o *overlaps) of(text string) (rows []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for sk := range o.rows {
		if strings.Contains(sk, text) {
			rows = append(rows, sk)
		}
	}
	slices.Sort(rows)
	return rows
}

// defaultNetwork returns the default VPC that EC2 makes in an account, with two subnets, and
// an interface in one.
func defaultNetwork(account, n string) *discover.Seen {
	id := "vpc-default" + n
	subnet := func(suffix, cidr string) types.Subnet {
		return types.Subnet{SubnetId: ptr("subnet-" + n + suffix), VpcId: &id, OwnerId: &account, CidrBlock: &cidr, DefaultForAz: aws.Bool(true)}
	}
	return &discover.Seen{
		VPCs:       []types.Vpc{{VpcId: &id, OwnerId: &account, CidrBlock: ptr("172.31.0.0/16"), IsDefault: aws.Bool(true)}},
		Subnets:    []types.Subnet{subnet("a", "172.31.0.0/20"), subnet("b", "172.31.16.0/20")},
		Interfaces: []types.NetworkInterface{{NetworkInterfaceId: ptr("eni-" + n), OwnerId: &account, VpcId: &id, SubnetId: ptr("subnet-" + n + "a"), PrivateIpAddress: ptr("172.31.0.4")}},
	}
}

// ignoredOf returns the ids of an account's stored resources that are ignored, and the
// others, sorted.
func (w *env) ignoredOf(account string) (ignored, watched []string) {
	w.Helper()
	s := store.New(w.table, store.Options{Region: home, Owner: owner})
	all, _, err := s.Found(context.Background(), w.discovery.ID, home, account, "", 0)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range all {
		if len(f.Targets) == 1 && f.Targets[0].Ignored {
			ignored = append(ignored, f.ID)
		} else {
			watched = append(watched, f.ID)
		}
	}
	slices.Sort(ignored)
	slices.Sort(watched)
	return ignored, watched
}

// In an organisation where each account has the same default VPC, the first read of all
// accounts writes no overlap of them, nor does a second. It does for two other VPCs.
func TestDefaultVPCsOfManyAccounts(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 60
	}
	w := newEnv(t)
	w.ignoreDefaultVPCs = true
	seen := &overlaps{Table: w.table, rows: map[string]bool{}}
	w.on = seen
	var accounts []string
	for i := range n {
		a := fmt.Sprintf("3%011d", i)
		accounts = append(accounts, a)
		w.cloud.Roles[a] = discover.ReaderRole
		w.cloud.Members = append(w.cloud.Members, discovertest.Member{ID: a, Paths: []string{"o-a1b2c3d4e5/r-f6g7/" + a + "/"}})
		network := defaultNetwork(a, fmt.Sprint(i))
		if i%(n/2) == 0 {
			network.VPCs = append(network.VPCs, vpc(fmt.Sprint("vpc-own", i), "10.77.0.0/16"))
		}
		w.cloud.Networks[a+" "+home] = network
	}
	for range 2 {
		for _, a := range accounts {
			if !w.runNow(t.Context(), a) {
				t.Fatalf("the run of %s failed: %s", a, w.logs.String())
			}
		}
	}
	w.finish()
	w.agrees(accounts...)
	if rows := seen.of("default"); len(rows) > 0 {
		t.Errorf("default VPCs overlap: %q", rows)
	}
	if rows := seen.of("subnet-"); len(rows) > 0 {
		t.Errorf("their subnets overlap: %q", rows)
	}
	if rows := seen.of("vpc-own"); len(rows) != 2 {
		t.Errorf("of the other VPCs, overlaps of %q are written, want two", rows)
	}
	for i, a := range accounts {
		ignored, watched := w.ignoredOf(a)
		if len(ignored) != 4 || len(watched) != len(w.cloud.Network(a, home).VPCs)-1 {
			t.Fatalf("account %d: %q are ignored, %q not", i, ignored, watched)
		}
	}
}

// Events of a default VPC may come before the first run, twice and late. Its resources are
// ignored, and a monitored one stays monitored. A default VPC that is made again is ignored.
func TestEventsOfDefaultVPCs(t *testing.T) {
	w := newEnv(t)
	w.ignoreDefaultVPCs = true
	seen := &overlaps{Table: w.table, rows: map[string]bool{}}
	w.on = seen
	*w.cloud.Network(memberA, home), *w.cloud.Network(memberB, home) = *defaultNetwork(memberA, "A"), *defaultNetwork(memberB, "B")
	event := func(name, request, response string) {
		t.Helper()
		for range 2 {
			if err := w.event(memberA, name, request, response); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(account string, want ...string) {
		t.Helper()
		ignored, watched := w.ignoredOf(account)
		if !slices.Equal(ignored, want) || len(watched) > 0 {
			t.Errorf("%q are ignored, %q not, want %q", ignored, watched, want)
		}
	}
	w.runNow(t.Context(), memberB)
	event("CreateNetworkInterface", `{}`, `{"networkInterface": {"networkInterfaceId": "eni-A"}}`) // before the VPC's
	event("CreateDefaultSubnet", `{}`, `{"subnet": {"subnetId": "subnet-Ab"}}`)
	event("CreateDefaultVpc", `{}`, `{"vpc": {"vpcId": "vpc-defaultA"}}`)
	w.runNow(t.Context(), memberA)
	event("CreateDefaultVpc", `{}`, `{"vpc": {"vpcId": "vpc-defaultA"}}`) // late
	all := []string{"eni-A", "subnet-Aa", "subnet-Ab", "vpc-defaultA"}
	expect(memberA, all...)
	expect(memberB, "eni-B", "subnet-Ba", "subnet-Bb", "vpc-defaultB")
	w.finish()
	w.agrees(memberA, memberB)
	if len(seen.rows) > 0 {
		t.Errorf("overlaps: %v", seen.rows)
	}

	monitor := func(id string) {
		t.Helper()
		_, err := w.store().ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{
			Scope: w.ipam.PrivateScope, ResourceID: id, CIDR: netip.MustParsePrefix("172.31.0.0/16"), Region: home, Monitored: true, May: func(_, _ *ipam.Scope) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	monitor("vpc-defaultA")
	w.cloud.Network(memberA, home).Subnets = append(w.cloud.Network(memberA, home).Subnets, types.Subnet{SubnetId: ptr("subnet-Ac"), VpcId: ptr("vpc-defaultA"), CidrBlock: ptr("172.31.32.0/20")})
	event("CreateSubnet", `{}`, `{"subnet": {"subnetId": "subnet-Ac"}}`)
	event("CreateDefaultVpc", `{}`, `{"vpc": {"vpcId": "vpc-defaultA"}}`)
	w.run(t.Context(), memberA)
	if ignored, watched := w.ignoredOf(memberA); len(ignored) > 0 || len(watched) != 5 {
		t.Errorf("monitored, %q are ignored and %q not", ignored, watched)
	}
	if len(seen.rows) > 0 {
		t.Errorf("one monitored default VPC alone has overlaps: %v", seen.rows)
	}
	monitor("vpc-defaultB")
	w.finish()
	if rows := seen.of("vpc-default"); len(rows) != 2 {
		t.Errorf("monitored, the overlaps of %q are written, want two", rows)
	}

	*w.cloud.Network(memberA, home) = *defaultNetwork(memberA, "C")
	w.run(t.Context(), memberA)
	w.finish()
	expect(memberA, "eni-C", "subnet-Ca", "subnet-Cb", "vpc-defaultC")
	w.agrees(memberA, memberB)
}
