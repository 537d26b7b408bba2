package ops_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// EC2's refusal is the answer, with its code, and no space is taken.
func TestEC2Refuses(t *testing.T) {
	for _, refusal := range []error{answered(400, "VpcLimitExceeded"), answered(403, "UnauthorizedOperation"), answered(503, "RequestLimitExceeded")} {
		w := newEnv(t, nil)
		four, _ := vendingPools(w)
		w.cloud.fails = refusal
		_, err := w.registry.Call(w.admin, "CreateVpc", &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod})
		api, _ := errors.AsType[smithy.APIError](refusal)
		if ipam.CodeOf(err) != ipam.Code(api.ErrorCode()) || ipam.Public(err).Message != api.ErrorMessage() {
			t.Errorf("%v: answered with %v", refusal, err)
		}
		if got := w.allocated(four); got != "" {
			t.Errorf("%v: taken is %s", refusal, got)
		}
	}
}

// If EC2 does not answer, the space is reserved until discovery has read the account. Then
// it belongs to the VPC, or is free.
func TestEC2DoesNotAnswer(t *testing.T) {
	for _, lost := range []error{answered(500, "InternalError"), answered(503, "Unavailable"), context.DeadlineExceeded} {
		for _, applied := range []bool{false, true} {
			w := newEnv(t, nil)
			four, _ := vendingPools(w)
			discovery := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams[0].DefaultResourceDiscoveryId
			w.cloud.fails, w.cloud.applied = lost, applied
			_, err := w.registry.Call(w.admin, "CreateVpc", &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod})
			if ipam.CodeOf(err) != ipam.CodeOutcomeUnknown || !strings.Contains(err.Error(), "10.0.0.0/24") {
				t.Errorf("%v: %v", lost, err)
			}
			notSentAgain(t, err)
			if got := w.allocated(four); got != "10.0.0.0/24 vpc  us-east-1 111122223333" {
				t.Errorf("%v: taken is %s", lost, got)
			}
			w.now = w.now.Add(time.Hour)
			at := w.now.UnixMilli()
			w.recordRun(*discovery, account, at)
			want := ""
			if applied {
				cidr := netip.MustParsePrefix("10.0.0.0/24")
				w.observe(*discovery, at, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: cidr, Owner: account, Tags: ipam.Tags{"env": "prod"}})
				want = "10.0.0.0/24 vpc vpc-1 us-east-1 111122223333"
			}
			work, err := w.store.PendingWork(t.Context(), w.now)
			if err != nil {
				t.Fatal(err)
			}
			for _, sk := range work {
				if err := w.store.RunWork(t.Context(), sk); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.allocated(four); got != want {
				t.Errorf("%v, made %t: in the end taken is %q", lost, applied, got)
			}
		}
	}
}

// notSentAgain fails the test if the SDK of a caller repeats a call with this error by
// itself, which would create another VPC.
func notSentAgain(t *testing.T, err error) {
	t.Helper()
	code := ipam.CodeOf(err)
	if retry.NewStandard().IsErrorRetryable(answered(ipam.InfoOf(code).Status, string(code))) {
		t.Errorf("the SDK calls again, behind %v", err)
	}
}

// EC2 may have carried out a call without a pool, too.
func TestEC2DoesNotAnswerWithoutAPool(t *testing.T) {
	w := newEnv(t, nil)
	w.cloud.fails = context.DeadlineExceeded
	for _, in := range []any{
		&ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")},
		&ec2.CreateSubnetInput{VpcId: aws.String("vpc-1"), CidrBlock: aws.String("10.9.1.0/24")},
		&ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("vpc-cidr-assoc-1")},
	} {
		_, err := w.registry.Call(w.admin, operation(in), in)
		if ipam.CodeOf(err) != ipam.CodeOutcomeUnknown {
			t.Errorf("%s: %v", operation(in), err)
		}
		notSentAgain(t, err)
	}
}

// EC2 gets no call if there is no time left for its answer.
func TestNoTimeForEC2(t *testing.T) {
	w := newEnv(t, nil)
	four, _ := vendingPools(w)
	ctx, cancel := context.WithTimeout(w.admin, 10*time.Second)
	defer cancel()
	_, err := w.registry.Call(ctx, "CreateVpc", &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod})
	if ipam.CodeOf(err) != ipam.CodeUnavailable || !strings.Contains(err.Error(), "Nothing was created") || len(w.cloud.calls) > 0 {
		t.Errorf("%v, and EC2 was asked %v", err, w.cloud.calls)
	}
	if got := w.allocated(four); got != "" {
		t.Errorf("taken is %s", got)
	}
}

// Each call for a VPC fails once: of the table, of EC2 and for the role, carried out or not,
// alone or with all calls after it. The caller gets one answer. After discovery, the space
// taken belongs to VPCs that exist.
func TestEveryCallOfAVPCFails(t *testing.T) {
	in := func(four, six string) *ec2.CreateVpcInput {
		return &ec2.CreateVpcInput{
			Ipv4IpamPoolId: &four, Ipv6IpamPoolId: &six, Ipv6NetmaskLength: aws.Int32(56), Ipv6Pool: aws.String("ipv6pool-ec2-1"), TagSpecifications: prod,
		}
	}
	faulted := func(t *testing.T, inject func(n int, cloud *cloud, table bool) *tabletest.Fault) (calls int) {
		w := newEnv(t, nil)
		four, six := vendingPools(w)
		var n atomic.Int64
		faulty := &tabletest.Faulty{Table: w.table}
		faulty.Inject = func(tabletest.Call) *tabletest.Fault { return inject(int(n.Add(1)-1), w.cloud, true) }
		w.cloud.before = func() { inject(int(n.Add(1)-1), w.cloud, false) }
		s := store.New(faulty, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }, NewID: newIDs(), Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		out, err := ops.New(s, grants(), ops.WithVending(w.cloud, false)).Call(w.admin, "CreateVpc", in(four, six))
		if (out == nil) == (err == nil) {
			t.Fatalf("the answer is %v, and the error %v", out, err)
		}
		if err == nil && len(w.cloud.vpcs) == 0 {
			t.Fatal("an answer, and no VPC")
		}
		if len(w.cloud.vpcs) > 1 {
			t.Fatalf("made are %v", w.cloud.vpcs)
		}
		calls = int(n.Load())
		// Discovery runs, and provisioning after it.
		w.cloud.before, w.now = nil, w.now.Add(time.Hour)
		discovery := *do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams[0].DefaultResourceDiscoveryId
		w.recordRun(discovery, account, w.now.UnixMilli())
		var wants [2]string
		for _, v := range w.cloud.vpcs {
			for i, text := range strings.Fields(v)[1:] {
				w.observe(discovery, w.now.UnixMilli(), ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix(text), Owner: account, Tags: ipam.Tags{"env": "prod"}, Source: "byoip"})
				wants[i] = text + " vpc vpc-1 us-east-1 " + account
			}
		}
		work, err := w.store.PendingWork(t.Context(), w.now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, sk := range work {
			if err := w.store.RunWork(t.Context(), sk); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range []string{four, six} {
			if got := w.allocated(p); got != wants[i] {
				t.Errorf("taken is %q, want %q", got, wants[i])
			}
		}
		return calls
	}
	clean := faulted(t, func(int, *cloud, bool) *tabletest.Fault { return nil })
	if clean < 10 {
		t.Fatalf("%d calls, which is not all", clean)
	}
	for at := range clean {
		for _, scheme := range []string{"fails", "loses its answer", "and all behind it fail"} {
			t.Run(fmt.Sprintf("call %d %s", at, scheme), func(t *testing.T) {
				faulted(t, func(n int, c *cloud, table bool) *tabletest.Fault {
					if n != at && (n < at || scheme != "and all behind it fail") {
						return nil
					}
					applied := scheme == "loses its answer"
					if !table {
						c.noRole, c.fails, c.applied = context.DeadlineExceeded, context.DeadlineExceeded, applied
						if len(c.who) > 0 {
							c.noRole = nil // the role is assumed again
						}
						return nil
					}
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
				})
			})
		}
	}
}
