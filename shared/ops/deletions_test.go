package ops_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// reportOf is the report that a resource in home is deleted.
func reportOf(id string) *ops.ReportIpamResourceDeletionInput {
	return &ops.ReportIpamResourceDeletionInput{ResourceId: &id, ResourceRegion: aws.String(home)}
}

// reportOfCIDR is the report that a resource in home does not have a CIDR any more.
func reportOfCIDR(id, cidr, association string) *ops.ReportIpamResourceDeletionInput {
	in := reportOf(id)
	in.ResourceCidr = &cidr
	if association != "" {
		in.AssociationId = &association
	}
	return in
}

// shownVPC is a VPC as EC2 shows it.
func shownVPC(id string, cidrs ...string) types.Vpc {
	v := types.Vpc{VpcId: &id, OwnerId: aws.String(account)}
	for _, c := range cidrs {
		v.CidrBlockAssociationSet = append(v.CidrBlockAssociationSet, types.VpcCidrBlockAssociation{CidrBlock: &c, CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}})
	}
	return v
}

// pendingVPC makes a VPC that discovery has not seen, and returns its pool.
func pendingVPC(w *env) (pool string) {
	pool, _ = vendingPools(w)
	do[ec2.CreateVpcOutput](w, w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &pool, TagSpecifications: prod})
	return pool
}

// pendingAssociation associates a CIDR that discovery has not seen with a VPC, and returns
// its pool.
func pendingAssociation(w *env) (pool string) {
	pool, _ = vendingPools(w)
	w.cloud.tags, w.cloud.association = tags("env", "prod"), "vpc-cidr-assoc-1"
	do[ec2.AssociateVpcCidrBlockOutput](w, w.admin, &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: &pool})
	return pool
}

// foundVPC lets discovery see a VPC with an allocation, and returns the pool.
func foundVPC(w *env) (pool string) {
	pool = pendingVPC(w)
	discovery := *do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams[0].DefaultResourceDiscoveryId
	w.recordRun(discovery, account, 1)
	w.observe(discovery, w.now.UnixMilli(), ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account, Tags: ipam.Tags{"env": "prod"}})
	return pool
}

// plannedSubnet makes a subnet, which discovery has seen or not, and returns its pool.
func plannedSubnet(w *env, seen bool) (pool string) {
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions(home)})
	source := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home), AutoImport: aws.Bool(true)}, "10.0.0.0/16")
	w.recordRun(*m.DefaultResourceDiscoveryId, account, 1)
	w.observe(*m.DefaultResourceDiscoveryId, 2, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/20"), Owner: account})
	pool = w.makePool(ec2.CreateIpamPoolInput{
		IpamScopeId: m.PrivateDefaultScopeId, SourceIpamPoolId: &source, SourceResource: &types.IpamPoolSourceResourceRequest{ResourceId: aws.String("vpc-1"), ResourceType: "vpc"},
	}, "10.0.0.0/20")
	do[ec2.CreateSubnetOutput](w, w.admin, &ec2.CreateSubnetInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: &pool, Ipv4NetmaskLength: aws.Int32(24)})
	if seen {
		w.observe(*m.DefaultResourceDiscoveryId, 3, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account})
	}
	return pool
}

// reported are the resources that reports are about, with the space 10.0.0.0/24.
var reported = []struct {
	name   string
	make   func(*env) (pool string)
	report *ops.ReportIpamResourceDeletionInput
	read   string // the call that reads the resource
}{
	{"a VPC that discovery has not seen", pendingVPC, reportOf("vpc-1"), "DescribeVpcs vpc-1"},
	{"a VPC that discovery has seen", foundVPC, reportOf("vpc-1"), "DescribeVpcs vpc-1"},
	{"a subnet that discovery has not seen", func(w *env) string { return plannedSubnet(w, false) }, reportOf("subnet-1"), "DescribeSubnets subnet-1"},
	{"a subnet that discovery has seen", func(w *env) string { return plannedSubnet(w, true) }, reportOf("subnet-1"), "DescribeSubnets subnet-1"},
	{"an association that discovery has not seen", pendingAssociation, reportOfCIDR("vpc-1", "10.0.0.0/24", "vpc-cidr-assoc-1"), "DescribeVpcs vpc-1"},
	{"a CIDR of a VPC that discovery has seen", foundVPC, reportOfCIDR("vpc-1", "10.0.0.0/24", ""), "DescribeVpcs vpc-1"},
}

// A report frees the space after two reads of EC2 with 5 s between them. EC2 is read in the
// caller's account and in the Region of the report. Another report changes nothing.
func TestReportFreesSpace(t *testing.T) {
	for _, c := range reported {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newEnv(t, nil)
				pool := c.make(w)
				if c.report.ResourceCidr != nil {
					w.cloud.shown = []types.Vpc{shownVPC("vpc-1", "10.9.0.0/16")}
				}
				if got := w.allocated(pool); !strings.HasPrefix(got, "10.0.0.0/24 ") {
					t.Fatalf("allocated before: %s", got)
				}
				w.cloud.calls, w.cloud.who = nil, nil
				began := time.Now()
				elsewhere := as(account, "allocator", "eu-west-1")
				out := do[ops.ReportIpamResourceDeletionOutput](w, elsewhere, c.report)
				if took := time.Since(began); took != 5*time.Second {
					t.Errorf("it took %s", took)
				}
				if !slices.Equal(out.ResourceCidrs, []string{"10.0.0.0/24"}) {
					t.Errorf("the answer has %v", out.ResourceCidrs)
				}
				if got := w.allocated(pool); got != "" {
					t.Errorf("allocated: %s", got)
				}
				if !slices.Equal(w.cloud.calls, []string{c.read, c.read}) || !slices.Equal(w.cloud.who, []string{account + " " + home + " arn:aws:iam::" + account + ":user/allocator"}) {
					t.Errorf("EC2 was asked %v as %v", w.cloud.calls, w.cloud.who)
				}
				before := w.table.Hash()
				if out := do[ops.ReportIpamResourceDeletionOutput](w, w.admin, c.report); len(out.ResourceCidrs) > 0 || w.table.Hash() != before || len(w.cloud.calls) > 2 {
					t.Errorf("a second report frees %v, after %v", out.ResourceCidrs, w.cloud.calls)
				}
			})
		})
	}
}

// A resource that EC2 shows in one of the two reads stays.
func TestReportOfAShownResource(t *testing.T) {
	for _, c := range reported {
		for read := range 2 {
			synctest.Test(t, func(t *testing.T) {
				w := newEnv(t, nil)
				c.make(w)
				n := 0
				w.cloud.calls, w.cloud.before = nil, func() { // for the role, and for each read
					if n++; n == read+2 {
						w.cloud.shown = []types.Vpc{shownVPC("vpc-1", "10.9.0.0/16", "10.0.0.0/24")}
						w.cloud.shownSubnets = []types.Subnet{{SubnetId: aws.String("subnet-1"), VpcId: aws.String("vpc-1"), CidrBlock: aws.String("10.0.0.0/24")}}
					}
				}
				w.refused(t, w.admin, c.report, "IncorrectState", "EC2 still shows "+*c.report.ResourceId, "report it again")
				if len(w.cloud.calls) != read+1 {
					t.Errorf("%s: EC2 was asked %v", c.name, w.cloud.calls)
				}
			})
		}
	}
}

// A report about nothing that Cadastre knows asks nobody and changes nothing.
func TestReportOfNothing(t *testing.T) {
	for name, c := range map[string]struct {
		ctx    context.Context
		make   func(*env) string
		report *ops.ReportIpamResourceDeletionInput
	}{
		"another VPC":           {nil, pendingVPC, reportOf("vpc-2")},
		"another CIDR":          {nil, pendingVPC, reportOfCIDR("vpc-1", "10.0.1.0/24", "")},
		"another found CIDR":    {nil, foundVPC, reportOfCIDR("vpc-1", "10.0.1.0/24", "")},
		"another association":   {nil, pendingAssociation, reportOfCIDR("vpc-1", "10.0.0.0/24", "vpc-cidr-assoc-2")},
		"another Region":        {nil, pendingVPC, &ops.ReportIpamResourceDeletionInput{ResourceId: aws.String("vpc-1"), ResourceRegion: aws.String("eu-west-1")}},
		"another Region, found": {nil, foundVPC, &ops.ReportIpamResourceDeletionInput{ResourceId: aws.String("vpc-1"), ResourceRegion: aws.String("eu-west-1")}},
		"another account":       {as(consumer, "admin", home), pendingVPC, reportOf("vpc-1")},
		"another account found": {as(consumer, "admin", home), foundVPC, reportOf("vpc-1")},
		"custom allocations": {nil, func(w *env) string {
			pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/16")
			w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
			return pool
		}, reportOf("vpc-1")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			c.make(w)
			w.cloud.calls, w.cloud.who = nil, nil
			before := w.table.Hash()
			ctx := c.ctx
			if ctx == nil {
				ctx = w.admin
			}
			out := do[ops.ReportIpamResourceDeletionOutput](w, ctx, c.report)
			if len(out.ResourceCidrs) > 0 || w.table.Hash() != before || len(w.cloud.calls)+len(w.cloud.who) > 0 {
				t.Errorf("it frees %v, and EC2 was asked %v as %v", out.ResourceCidrs, w.cloud.calls, w.cloud.who)
			}
		})
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	const kept = "Its space stays reserved until discovery has read the account"
	for name, c := range map[string]struct {
		in      *ops.ReportIpamResourceDeletionInput
		prepare func(*env)
		code    ipam.Code
		words   []string
	}{
		"an interface":                  {reportOf("eni-1"), nil, "InvalidParameterValue", []string{"(eni-1)", "ResourceId", "VPC or a subnet"}},
		"an association for a resource": {reportOf("vpc-cidr-assoc-1"), nil, "InvalidParameterValue", []string{"(vpc-cidr-assoc-1)", "ResourceId"}},
		"no Region":                     {&ops.ReportIpamResourceDeletionInput{ResourceId: aws.String("vpc-1"), ResourceRegion: aws.String("evil.example#")}, nil, "InvalidParameterValue", []string{"evil.example#", "ResourceRegion"}},
		"no CIDR":                       {reportOfCIDR("vpc-1", "10.0.0.0", ""), nil, "InvalidParameterValue", []string{"ResourceCidr"}},
		"an association without a CIDR": {&ops.ReportIpamResourceDeletionInput{ResourceId: aws.String("vpc-1"), ResourceRegion: aws.String(home), AssociationId: aws.String("a")}, nil, "InvalidParameterCombination", []string{"ResourceCidr"}},
		"no role":                       {reportOf("vpc-1"), func(w *env) { w.cloud.noRole = answered(403, "AccessDenied") }, "UnauthorizedOperation", []string{"no role by which to act in account " + account}},
		"EC2 refuses":                   {reportOf("vpc-1"), func(w *env) { w.cloud.fails = answered(403, "UnauthorizedOperation") }, "UnauthorizedOperation", []string{"whether vpc-1 exists: EC2 says UnauthorizedOperation", kept}},
		"no vending role at all":        {reportOf("vpc-1"), func(w *env) { w.registry = ops.New(w.store, grants()) }, "UnsupportedOperation", []string{"no vending role", kept}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			pendingVPC(w)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.refused(t, w.admin, c.in, c.code, c.words...)
		})
	}
	for _, lost := range []error{context.DeadlineExceeded, answered(500, "InternalError")} {
		w := newEnv(t, nil)
		pendingVPC(w)
		w.cloud.fails = lost
		before := w.table.Hash()
		_, err := w.registry.Call(w.admin, "ReportIpamResourceDeletion", reportOf("vpc-1"))
		if ipam.CodeOf(err) != ipam.CodeUnavailable || !strings.Contains(ipam.Public(err).Message, kept) || w.table.Hash() != before {
			t.Errorf("%v: %v", lost, err)
		}
	}
	synctest.Test(t, func(t *testing.T) { // the caller's time ends between the reads
		w := newEnv(t, nil)
		pool := pendingVPC(w)
		ctx, cancel := context.WithTimeout(w.admin, 3*time.Second)
		defer cancel()
		if _, err := w.registry.Call(ctx, "ReportIpamResourceDeletion", reportOf("vpc-1")); ipam.CodeOf(err) != ipam.CodeUnavailable || w.allocated(pool) == "" {
			t.Errorf("%v, allocated: %q", err, w.allocated(pool))
		}
	})
}

// Each call of the table for a report fails once, carried out or not. Another report then
// ends the rest, and the table has no fault.
func TestEveryCallOfAReportFails(t *testing.T) {
	for _, c := range reported {
		for _, applied := range []bool{false, true} {
			for at, faulted := 0, true; faulted; at++ {
				synctest.Test(t, func(t *testing.T) {
					w := newEnv(t, nil)
					pool := c.make(w)
					n := 0
					faulted = false
					faulty := &tabletest.Faulty{Table: w.table, Inject: func(tabletest.Call) *tabletest.Fault {
						if n++; n != at+1 {
							return nil
						}
						faulted = true
						return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
					}}
					s := store.New(faulty, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }, NewID: newIDs()})
					_, err := ops.New(s, grants(), ops.WithVending(w.cloud, false)).Call(w.admin, "ReportIpamResourceDeletion", c.report)
					if err == nil && w.allocated(pool) != "" {
						t.Errorf("%s, call %d applied %t: an answer, and %s is held", c.name, at, applied, w.allocated(pool))
					}
					fscktest.Clean(t, w.table, w.now)
					do[ops.ReportIpamResourceDeletionOutput](w, w.admin, c.report)
					runWork(w)
					if got := w.allocated(pool); got != "" {
						t.Errorf("%s, call %d applied %t: held in the end: %s", c.name, at, applied, got)
					}
				})
				if at == 3 && !faulted || at > 100 {
					t.Fatalf("%s: %d calls", c.name, at)
				}
			}
		}
	}
}

// runWork does all work that is left, as the provisioning function does.
func runWork(w *env) {
	w.t.Helper()
	work, err := w.store.PendingWork(w.t.Context(), w.now.Add(time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, sk := range work {
		if err := w.store.RunWork(w.t.Context(), sk); err != nil {
			w.t.Fatal(err)
		}
	}
}

// The cost of a report, in calls of the table and write units, does not depend on the
// account's other resources. A report of an unknown resource writes nothing.
func TestCostOfReports(t *testing.T) {
	for name, most := range map[string][2]int{ // calls and write units
		"a VPC that discovery has not seen": {13, 30},
		"a VPC that discovery has seen":     {40, 60},
		"nothing":                           {5, 0},
	} {
		for _, others := range []int{0, 20} {
			synctest.Test(t, func(t *testing.T) {
				w := newEnv(t, nil)
				report := reportOf("vpc-0")
				var pool string
				for _, c := range reported {
					if c.name == name {
						pool, report = c.make(w), c.report
					}
				}
				if pool == "" {
					pool = pendingVPC(w)
				}
				for range others {
					do[ec2.CreateVpcOutput](w, w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &pool, TagSpecifications: prod})
				}
				calls := &tabletest.Counter{Table: w.table}
				s := store.New(calls, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }, NewID: newIDs()})
				if _, err := ops.New(s, grants(), ops.WithVending(w.cloud, false)).Call(w.admin, "ReportIpamResourceDeletion", report); err != nil {
					t.Fatal(err)
				}
				c := calls.Take()
				t.Logf("%s beside %d: %+v", name, others, c)
				if got := c.BatchGets + c.Queries + c.Transactions; got > most[0] || c.WriteUnits > most[1] {
					t.Errorf("%s beside %d others takes %d calls and %d write units, want at most %v", name, others, got, c.WriteUnits, most)
				}
			})
		}
	}
}

// The space of a CIDR that EC2 has disassociated is free with the answer, whether discovery
// has seen the CIDR or not. EC2 is asked nothing else.
func TestDisassociateVPCFreesSpace(t *testing.T) {
	for name, c := range map[string]struct {
		make        func(*env) string
		association string
		ended       string
		free        bool
	}{
		"not seen":            {pendingAssociation, "vpc-cidr-assoc-1", "10.0.0.0/24", true},
		"seen":                {foundVPC, "vpc-cidr-assoc-1", "10.0.0.0/24", true},
		"another association": {pendingAssociation, "vpc-cidr-assoc-2", "10.0.0.0/24", false},
		"another CIDR":        {foundVPC, "vpc-cidr-assoc-1", "10.0.1.0/24", false},
		"an IPv6 CIDR":        {foundVPC, "vpc-cidr-assoc-1", "fd80::/56", false},
		"no CIDR":             {foundVPC, "vpc-cidr-assoc-1", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			pool := c.make(w)
			w.cloud.calls, w.cloud.ended = nil, c.ended
			in := &ec2.DisassociateVpcCidrBlockInput{AssociationId: &c.association}
			out := do[ec2.DisassociateVpcCidrBlockOutput](w, w.admin, in)
			if *out.VpcId != "vpc-1" || !slices.Equal(w.cloud.calls, []string{"DisassociateVpcCidrBlock " + c.association}) {
				t.Errorf("the answer is %+v after %v", out, w.cloud.calls)
			}
			if free := w.allocated(pool) == ""; free != c.free {
				t.Errorf("the space is free: %t", free)
			}
		})
	}
	t.Run("the IPv6 CIDR of a new VPC", func(t *testing.T) {
		w := newEnv(t, nil)
		four, six := vendingPools(w)
		do[ec2.CreateVpcOutput](w, w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, Ipv6IpamPoolId: &six, Ipv6NetmaskLength: aws.Int32(56), Ipv6Pool: aws.String("ipv6pool-ec2-1"), TagSpecifications: prod})
		w.cloud.ended = "fd80::/56"
		do[ec2.DisassociateVpcCidrBlockOutput](w, w.admin, &ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("vpc-cidr-assoc-6")})
		if w.allocated(six) != "" || w.allocated(four) == "" {
			t.Errorf("allocated: %q and %q", w.allocated(six), w.allocated(four))
		}
	})
}

// If EC2 does not disassociate the CIDR, its space stays. If EC2 has, the call succeeds,
// even if the table fails after it.
func TestDisassociateVPCWithFaults(t *testing.T) {
	for _, refusal := range []error{answered(400, "InvalidVpcCidrBlockAssociationID.NotFound"), answered(500, "InternalError"), context.DeadlineExceeded} {
		w := newEnv(t, nil)
		pool := pendingAssociation(w)
		w.cloud.ended, w.cloud.fails = "10.0.0.0/24", refusal
		if _, err := w.registry.Call(w.admin, "DisassociateVpcCidrBlock", &ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("vpc-cidr-assoc-1")}); err == nil || w.allocated(pool) == "" {
			t.Errorf("%v: %v, allocated: %q", refusal, err, w.allocated(pool))
		}
	}
	for _, prepare := range []func(*env) string{pendingAssociation, foundVPC} {
		for _, applied := range []bool{false, true} {
			for at, faulted := 0, true; faulted; at++ {
				w := newEnv(t, nil)
				pool := prepare(w)
				w.cloud.ended = "10.0.0.0/24"
				n := 0
				faulted = false
				faulty := &tabletest.Faulty{Table: w.table, Inject: func(call tabletest.Call) *tabletest.Fault {
					if n++; n != at+1 {
						return nil
					}
					faulted = true
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
				}}
				s := store.New(faulty, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }, NewID: newIDs(), Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
				ctx, cancel := context.WithCancel(w.admin)
				w.cloud.before = cancel // the caller leaves while EC2 is asked
				if _, err := ops.New(s, grants(), ops.WithVending(w.cloud, false)).Call(ctx, "DisassociateVpcCidrBlock", &ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("vpc-cidr-assoc-1")}); err != nil {
					t.Fatalf("call %d, applied %t: %v", at, applied, err)
				}
				runWork(w)
				if !faulted && w.allocated(pool) != "" {
					t.Errorf("without a fault the space is held: %s", w.allocated(pool))
				}
				fscktest.Clean(t, w.table, w.now)
				if at == 3 && !faulted || at > 100 {
					t.Fatalf("%d calls", at)
				}
			}
		}
	}
}

// A late CreateVpc event behind a report ends right: a VPC that discovery records
// then, and sees gone, leaves no space taken, and another VPC that got the space keeps it.
func TestLateObservationBehindAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newEnv(t, nil)
		pool := pendingVPC(w)
		do[ops.ReportIpamResourceDeletionOutput](w, w.admin, reportOf("vpc-1"))
		next := do[ec2.CreateVpcOutput](w, w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &pool, TagSpecifications: prod}).Vpc
		if *next.VpcId != "vpc-2" || *next.CidrBlock != "10.0.0.0/24" {
			t.Fatalf("the next VPC is %+v", next)
		}
		discovery := *do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams[0].DefaultResourceDiscoveryId
		w.recordRun(discovery, account, 1)
		seen := func(id string) ipam.Resource {
			return ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account, Tags: ipam.Tags{"env": "prod"}}
		}
		w.observe(discovery, w.now.UnixMilli(), seen("vpc-1")) // by an old answer of EC2
		w.observe(discovery, w.now.UnixMilli(), seen("vpc-2"))
		do[ops.ReportIpamResourceDeletionOutput](w, w.admin, reportOf("vpc-1"))
		runWork(w)
		if got, want := w.allocated(pool), "10.0.0.0/24 vpc vpc-2 us-east-1 "+account; got != want {
			t.Errorf("allocated: %q, want %q", got, want)
		}
		do[ops.ReportIpamResourceDeletionOutput](w, w.admin, reportOf("vpc-2"))
		runWork(w)
		if got := w.allocated(pool); got != "" {
			t.Errorf("allocated in the end: %q", got)
		}
	})
}
