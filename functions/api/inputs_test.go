package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// EC2 Query and JSON read the inputs of [wiretest.Inputs] as all doors do.
func TestInputsOfAllDoors(t *testing.T) {
	var got *ec2.AllocateIpamPoolCidrInput
	r := registry.New(registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Allocate}}, nil, 0, nil))
	registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate}, func(_ context.Context, in *ec2.AllocateIpamPoolCidrInput) (*ec2.AllocateIpamPoolCidrOutput, error) {
		got = in
		return &ec2.AllocateIpamPoolCidrOutput{}, nil
	})
	h := New(r, telemetry.Options{Logger: slog.New(slog.DiscardHandler)})
	for _, c := range wiretest.Inputs {
		for door, change := range map[string]func(*events.APIGatewayProxyRequest){
			"Query": form("Action=AllocateIpamPoolCidr&Version=2016-11-15&IpamPoolId=ipam-pool-00000000000000000&" + c.Form),
			"JSON":  toJSON("AllocateIpamPoolCidr", `{"IpamPoolId": "ipam-pool-00000000000000000", `+c.Members+`}`),
		} {
			t.Run(c.Name+"/"+door, func(t *testing.T) {
				got = nil
				answer, err := h.Handle(t.Context(), Event{APIGatewayProxyRequest: event(t, change)})
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case c.Code != "":
					if got != nil || answer.StatusCode != 400 || !strings.Contains(answer.Body, string(c.Code)) {
						t.Errorf("%d %s; want %s", answer.StatusCode, answer.Body, c.Code)
					}
				case got == nil:
					t.Errorf("%d %s", answer.StatusCode, answer.Body)
				case aws.ToInt32(got.NetmaskLength) != c.Length || aws.ToString(got.Description) != c.Description:
					t.Errorf("NetmaskLength %d and Description %q, want %d and %q", aws.ToInt32(got.NetmaskLength), aws.ToString(got.Description), c.Length, c.Description)
				}
			})
		}
	}
}
