package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

const allocator = "arn:aws:iam::111122223333:user/allocator"

// own is the input of an operation that the API model does not have.
type own struct {
	DryRun bool
	Fail   error
}

func newRegistry(t *testing.T, called *int) *registry.Registry {
	t.Helper()
	r := registry.New(registry.NewGrants([]registry.Grant{{Pattern: allocator, Class: registry.Allocate}}, nil, 0, nil))
	registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate, Mutates: true, Idempotent: true},
		func(ctx context.Context, in *ec2.AllocateIpamPoolCidrInput) (*ec2.AllocateIpamPoolCidrOutput, error) {
			*called++
			return &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &types.IpamPoolAllocation{Cidr: aws.String("10.0.0.0/24")}}, nil
		})
	registry.Define(r, "CreateIpamPool", registry.Meta{Class: registry.Administer, Mutates: true},
		func(context.Context, *ec2.CreateIpamPoolInput) (*ec2.CreateIpamPoolOutput, error) {
			*called++
			return nil, errors.New("unreachable")
		})
	registry.Define(r, "ModifyIpamPool", registry.Meta{Class: registry.Allocate, Mutates: true},
		func(context.Context, *ec2.ModifyIpamPoolInput) (*ec2.ModifyIpamPoolOutput, error) {
			*called++
			return nil, errors.New("unreachable")
		})
	registry.Define(r, "DescribeIpams", registry.Meta{Class: registry.Read}, func(context.Context, *ec2.DescribeIpamsInput) (*ec2.DescribeIpamsOutput, error) {
		*called++
		return &ec2.DescribeIpamsOutput{}, nil
	})
	registry.Define(r, "PutOwnThing", registry.Meta{Class: registry.Read}, func(_ context.Context, in *own) (*own, error) {
		*called++
		return nil, in.Fail
	})
	return r
}

func TestCallRefuses(t *testing.T) {
	var called int
	r := newRegistry(t, &called)
	allocate := func(change func(*ec2.AllocateIpamPoolCidrInput)) any {
		in := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: aws.String("ipam-pool-1")}
		change(in)
		return in
	}
	for _, c := range []struct {
		name, arn, action string
		in                any
		code              ipam.Code
		words             []string
	}{
		{"an action that nobody knows", allocator, "LaunchRockets", nil, ipam.CodeInvalidAction, []string{"LaunchRockets"}},
		{"an action of the model that is not defined", allocator, "DescribeIpamPolicies", nil, ipam.CodeUnsupportedOperation, []string{"DescribeIpamPolicies"}},
		{"a class too low", allocator, "CreateIpamPool", &ec2.CreateIpamPoolInput{}, ipam.CodeUnauthorizedOperation,
			[]string{"You are not authorized to perform this operation. ", "CreateIpamPool", allocator, "class administer", "class allocate", "Ask"}},
		{"a class too low, with DryRun", allocator, "CreateIpamPool", &ec2.CreateIpamPoolInput{DryRun: aws.Bool(true)}, ipam.CodeUnauthorizedOperation, nil},
		{"no grant", "arn:aws:iam::111122223333:user/x", "DescribeIpams", &ec2.DescribeIpamsInput{}, ipam.CodeUnauthorizedOperation, []string{"class none"}},
		{"no identity", "", "DescribeIpams", &ec2.DescribeIpamsInput{}, ipam.CodeUnauthorizedOperation, []string{"You are not authorized to perform this operation. ", "DescribeIpams"}},
		{"a required member missing", allocator, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{}, ipam.CodeMissingParameter, []string{"The request must contain the parameter IpamPoolId"}},
		{"a required member missing, with DryRun", allocator, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{DryRun: aws.Bool(true)}, ipam.CodeMissingParameter, nil},
		{"a required member empty", allocator, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: aws.String("")}, ipam.CodeMissingParameter, nil},
		{"outside an enumeration, in a list", allocator, "AllocateIpamPoolCidr", allocate(func(in *ec2.AllocateIpamPoolCidrInput) {
			in.TagSpecifications = []types.TagSpecification{{}, {ResourceType: "ipam-poool"}}
		}), ipam.CodeInvalidParameterValue, []string{"TagSpecifications.2.ResourceType", "ipam-poool"}},
		{"above the range", allocator, "ModifyIpamPool", &ec2.ModifyIpamPoolInput{IpamPoolId: aws.String("ipam-pool-1"), AllocationMaxNetmaskLength: aws.Int32(129)},
			ipam.CodeInvalidParameterValue, []string{"Value (129) for parameter AllocationMaxNetmaskLength", "0 to 128"}},
		{"MaxResults below the range", allocator, "DescribeIpams", &ec2.DescribeIpamsInput{MaxResults: aws.Int32(4)}, ipam.CodeInvalidMaxResults, []string{"(4)", "5 to 1000"}},
		{"MaxResults above the range", allocator, "DescribeIpams", &ec2.DescribeIpamsInput{MaxResults: aws.Int32(1001)}, ipam.CodeInvalidMaxResults, nil},
		{"DryRun", allocator, "AllocateIpamPoolCidr", allocate(func(in *ec2.AllocateIpamPoolCidrInput) { in.DryRun = aws.Bool(true) }), ipam.CodeDryRunOperation,
			[]string{"Request would have succeeded, but DryRun flag is set."}},
		{"DryRun of an operation of our own", allocator, "PutOwnThing", &own{DryRun: true}, ipam.CodeDryRunOperation, nil},
		{"another operation's input", allocator, "DescribeIpams", &own{}, ipam.CodeInternalError, nil},
		{"a nil input", allocator, "DescribeIpams", (*ec2.DescribeIpamsInput)(nil), ipam.CodeInternalError, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.arn != "" {
				ctx = registry.WithCaller(ctx, registry.Caller{Account: "111122223333", ARN: c.arn})
			}
			out, err := r.Call(ctx, c.action, c.in)
			if out != nil || ipam.CodeOf(err) != c.code {
				t.Fatalf("got %v, %v; want code %s", out, err, c.code)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the message %q lacks %q", err, w)
				}
			}
		})
	}
	if called != 0 {
		t.Errorf("%d operations were carried out, want none", called)
	}
}

// lax admits everybody: a registry does not rely on its authorizer for this.
type lax struct{}

func (lax) Authorize(context.Context, registry.Caller, registry.Class) error { return nil }

func TestCallNeedsAnIdentityWithAnyAuthorizer(t *testing.T) {
	r := registry.New(lax{})
	registry.Define(r, "DescribeIpams", registry.Meta{Class: registry.Read}, func(context.Context, *ec2.DescribeIpamsInput) (*ec2.DescribeIpamsOutput, error) {
		return &ec2.DescribeIpamsOutput{}, nil
	})
	for _, c := range []registry.Caller{{}, {Account: "111122223333"}, {ARN: allocator}} {
		if _, err := r.Call(registry.WithCaller(t.Context(), c), "DescribeIpams", &ec2.DescribeIpamsInput{}); ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	if _, err := r.Call(registry.WithCaller(t.Context(), registry.Caller{Account: "111122223333", ARN: allocator}), "DescribeIpams", &ec2.DescribeIpamsInput{}); err != nil {
		t.Error(err)
	}
}

func TestCallAnswers(t *testing.T) {
	var called int
	r := newRegistry(t, &called)
	ctx := registry.WithCaller(t.Context(), registry.Caller{Account: "111122223333", ARN: allocator})
	o, _ := r.Lookup("AllocateIpamPoolCidr")
	in := o.New().(*ec2.AllocateIpamPoolCidrInput)
	in.IpamPoolId, in.DryRun = aws.String("ipam-pool-1"), aws.Bool(false)
	out, err := r.Call(ctx, o.Name, in)
	if err != nil || aws.ToString(out.(*ec2.AllocateIpamPoolCidrOutput).IpamPoolAllocation.Cidr) != "10.0.0.0/24" {
		t.Errorf("got %v, %v", out, err)
	}
	failure := errors.New("x")
	if out, err := r.Call(ctx, "PutOwnThing", &own{Fail: failure}); out != nil || !errors.Is(err, failure) {
		t.Errorf("a failing operation: got %v, %v; want a nil interface and its error", out, err)
	}
	if called != 2 {
		t.Errorf("%d operations were carried out, want 2", called)
	}
	var names []string
	for _, o := range r.Operations() {
		names = append(names, o.Name)
	}
	if diff := cmp.Diff(names, []string{"AllocateIpamPoolCidr", "CreateIpamPool", "DescribeIpams", "ModifyIpamPool", "PutOwnThing"}); diff != "" {
		t.Errorf("Operations (-got +want):\n%s", diff)
	}
}

// The SDKs repeat Unavailable and not OutcomeUnknown. So only a call that nothing happens
// twice with, one with a token, gets Unavailable.
func TestCallsOfUnknownOutcome(t *testing.T) {
	perhaps := ipam.Errorf(ipam.CodeOutcomeUnknown, "It may have been carried out.")
	r := registry.New(registry.OnlyTo(registry.Root("111122223333", "us-east-1")))
	registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate, Mutates: true, Idempotent: true},
		func(context.Context, *ec2.AllocateIpamPoolCidrInput) (*ec2.AllocateIpamPoolCidrOutput, error) {
			return nil, fmt.Errorf("allocate: %w", perhaps)
		})
	registry.Define(r, "CreateSubnet", registry.Meta{Class: registry.Allocate, Mutates: true},
		func(context.Context, *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) { return nil, perhaps })
	registry.Define(r, "PutOwnThing", registry.Meta{Class: registry.Read, Idempotent: true}, func(context.Context, *own) (*own, error) { return nil, perhaps })
	ctx := registry.WithCaller(t.Context(), registry.Root("111122223333", "us-east-1"))
	for _, c := range []struct {
		name string
		in   any
		want ipam.Code
	}{
		{"AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: aws.String("ipam-pool-1"), ClientToken: aws.String("t")}, "Unavailable"},
		{"AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: aws.String("ipam-pool-1"), ClientToken: aws.String("")}, "OutcomeUnknown"},
		{"AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: aws.String("ipam-pool-1")}, "OutcomeUnknown"},
		{"CreateSubnet", &ec2.CreateSubnetInput{VpcId: aws.String("vpc-1")}, "OutcomeUnknown"},
		{"PutOwnThing", &own{}, "OutcomeUnknown"},
	} {
		_, err := r.Call(ctx, c.name, c.in)
		if got := ipam.Public(err); got.Code != c.want || got.Message != "It may have been carried out." || !errors.Is(err, perhaps) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestDefinePanicsOnMistakes(t *testing.T) {
	for _, meta := range []registry.Meta{{Class: registry.Read}, {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", meta)
				}
			}()
			r := registry.New(nil)
			f := func(context.Context, *own) (*own, error) { return nil, nil }
			registry.Define(r, "X", meta, f)
			registry.Define(r, "X", meta, f)
		}()
	}
}

func TestClasses(t *testing.T) {
	if registry.Read >= registry.Allocate || registry.Allocate >= registry.Administer {
		t.Error("the classes are not ordered")
	}
}
