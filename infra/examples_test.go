//go:build !race

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// machine is a definition in the Amazon States Language, as far as the test reads it.
type machine struct {
	States map[string]struct {
		Type, Resource string
		Parameters     struct {
			FunctionName string
			Payload      struct{ Operation string }
		}
		Retry []struct{ ErrorEquals []string }
		Catch []struct{ Next string }
	}
}

// The state machine retries the errors after which a retry can succeed: throttling,
// conflicts and internal failures of the API, and Lambda's own errors. It calls EC2's
// CreateVpc once. The end-to-end suite runs it.
func TestVendVPC(t *testing.T) {
	b, err := os.ReadFile("examples/vend-vpc.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	var m machine
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	again := []string{"Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.ServiceException", "Lambda.TooManyRequestsException", "Lambda.Unknown", "States.Timeout"}
	for code, info := range ipam.Codes {
		if slices.Contains([]string{"conflict", "throttle", "internal"}, info.Label) {
			again = append(again, string(code))
		}
	}
	slices.Sort(again)
	var calls []string
	for name, s := range m.States {
		if s.Type != "Task" {
			continue
		}
		call := s.Resource[strings.LastIndex(s.Resource, ":")+1:]
		switch call {
		case "invoke":
			call = s.Parameters.Payload.Operation
			diff(t, "${DirectFunctionArn}", s.Parameters.FunctionName)
			if len(s.Retry) != 1 {
				t.Fatalf("%s has %d retriers", name, len(s.Retry))
			}
			slices.Sort(s.Retry[0].ErrorEquals)
			diff(t, again, s.Retry[0].ErrorEquals)
		case "createVpc":
			if len(s.Retry) > 0 || len(s.Catch) != 1 {
				t.Errorf("%s is retried, or its errors are not caught", name)
			}
		}
		calls = append(calls, call)
	}
	slices.Sort(calls)
	diff(t, []string{"AllocateIpamPoolCidr", "ReleaseIpamPoolAllocation", "createVpc", "describeVpcs"}, calls)

	// The template has a value for each variable of the definition, and its role has
	// the permissions for the calls of the states.
	stack := written(t, "examples/vend-vpc.yaml")
	diff(t, []string{"AWS::IAM::Role", "AWS::StepFunctions::StateMachine"}, kinds(stack.template))
	filled := map[string]any{}
	for _, match := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllSubmatch(b, -1) {
		filled[string(match[1])] = "${" + string(match[1]) + "}"
	}
	filled["Partition"] = "${AWS::Partition}"
	diff(t, any(filled), stack.Resources["VendVpc"].Properties["DefinitionSubstitutions"])
	var granted []string
	for _, p := range stack.Resources["Role"].Properties["Policies"].([]any) {
		for _, s := range p.(object)["PolicyDocument"].(object)["Statement"].([]any) {
			granted = append(granted, fmt.Sprint(s.(object)["Action"], " on ", s.(object)["Resource"]))
		}
	}
	vpcs := "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc/*"
	diff(t, []string{"lambda:InvokeFunction on ${DirectFunctionArn}", "ec2:CreateVpc on " + vpcs, "ec2:CreateTags on " + vpcs, "ec2:DescribeVpcs on *"}, granted)
}
