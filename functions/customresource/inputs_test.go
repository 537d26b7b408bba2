package main

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// Templates read the inputs of [wiretest.Inputs] as all doors do: as JSON values, and as
// the strings that CloudFormation makes of them.
func TestInputsOfAllDoors(t *testing.T) {
	for _, c := range wiretest.Inputs {
		if c.Twice {
			continue
		}
		var values map[string]any
		if err := json.Unmarshal([]byte("{"+c.Members+"}"), &values); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		var raw map[string]json.RawMessage
		if err := json.Unmarshal([]byte("{"+c.Members+"}"), &raw); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		texts := map[string]any{}
		for name, value := range values {
			if texts[name] = value; raw[name][0] != '"' {
				texts[name] = string(raw[name])
			}
		}
		for form, properties := range map[string]map[string]any{"values": values, "strings": texts} {
			t.Run(c.Name+"/"+form, func(t *testing.T) {
				var got allocationProperties
				err := decode("Custom::IpamAllocation", properties, &got)
				if ipam.CodeOf(err) != c.Code {
					t.Fatalf("%v, want %q", err, c.Code)
				}
				if err == nil && (aws.ToInt32(got.NetmaskLength) != c.Length || got.Description != c.Description) {
					t.Errorf("NetmaskLength %d and Description %q, want %d and %q", aws.ToInt32(got.NetmaskLength), got.Description, c.Length, c.Description)
				}
			})
		}
	}
}
