package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// refusals records the codes of refused requests.
type refusals struct{ codes []ipam.Code }

func (r *refusals) Refuse(_ context.Context, _ store.Token, refusal items.Refusal) error {
	r.codes = append(r.codes, ipam.Code(refusal.Code))
	return nil
}

// Events and direct invocation read the inputs of [wiretest.Inputs] as all doors do.
func TestInputsOfAllDoors(t *testing.T) {
	for _, c := range wiretest.Inputs {
		var got *ec2.AllocateIpamPoolCidrInput
		open := func(a registry.Authorizer) Registry {
			r := registry.New(a)
			registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate}, func(_ context.Context, in *ec2.AllocateIpamPoolCidrInput) (*ec2.AllocateIpamPoolCidrOutput, error) {
				got = in
				return &ec2.AllocateIpamPoolCidrOutput{}, nil
			})
			return r
		}
		input := `{"IpamPoolId": "ipam-pool-00000000000000000", ` + c.Members + `}`
		for door, call := range map[string]func() ipam.Code{
			"events": func() ipam.Code {
				r := &refusals{}
				h := NewEvents(open(registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Allocate}}, nil, 0, nil)), r, home, quiet)
				if _, err := h.Handle(t.Context(), event("e-1", member, home, "CIDR Requested", input)); err != nil {
					t.Errorf("%s: %v", c.Name, err)
				}
				if len(r.codes) == 0 {
					return ""
				}
				return r.codes[0]
			},
			"direct": func() ipam.Code {
				_, err := NewDirect(open, owner, home, quiet).Handle(t.Context(), json.RawMessage(`{"operation": "AllocateIpamPoolCidr", "input": `+input+`}`))
				var failure messages.InvokeResponse_Error
				if err != nil && !errors.As(err, &failure) {
					t.Errorf("%s: %v", c.Name, err)
				}
				return ipam.Code(failure.Type)
			},
		} {
			t.Run(c.Name+"/"+door, func(t *testing.T) {
				got = nil
				code := call()
				switch {
				case code != c.Code || (got == nil) != (code != ""):
					t.Errorf("the code %q, want %q", code, c.Code)
				case got == nil:
				case aws.ToInt32(got.NetmaskLength) != c.Length || aws.ToString(got.Description) != c.Description:
					t.Errorf("NetmaskLength %d and Description %q, want %d and %q", aws.ToInt32(got.NetmaskLength), aws.ToString(got.Description), c.Length, c.Description)
				}
			})
		}
	}
}

// A member of the payload itself is given once, too.
func TestPayloadMembersOnce(t *testing.T) {
	h := NewDirect(func(a registry.Authorizer) Registry { return registry.New(a) }, owner, home, quiet)
	for _, payload := range []string{
		`{"operation": "DescribeIpams", "operation": "DeleteIpam"}`, `{"operation": "DescribeIpams", "input": {}, "input": {}}`,
	} {
		_, err := h.Handle(t.Context(), json.RawMessage(payload))
		var failure messages.InvokeResponse_Error
		if !errors.As(err, &failure) || failure.Type != string(ipam.CodeInvalidParameterValue) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
