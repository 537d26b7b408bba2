package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
)

// Stacks reads stacks of CloudFormation.
type Stacks interface {
	// Resource returns a stack's status, and the physical id that a resource has in the
	// stack now, "" if the stack does not have the resource.
	Resource(ctx context.Context, stackID, logicalID string) (status, physicalID string, err error)
}

// CloudFormation returns the stacks that a client reads.
func CloudFormation(c *cloudformation.Client) Stacks { return stacks{c} }

type stacks struct{ client *cloudformation.Client }

func (s stacks) Resource(ctx context.Context, stackID, logicalID string) (status, physicalID string, err error) {
	out, err := s.client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stackID})
	if err != nil {
		return "", "", fmt.Errorf("describe the stack %s: %w", stackID, err)
	}
	if len(out.Stacks) != 1 {
		return "", "", fmt.Errorf("describe the stack %s: there are %d", stackID, len(out.Stacks))
	}
	resource, err := s.client.DescribeStackResource(ctx, &cloudformation.DescribeStackResourceInput{StackName: &stackID, LogicalResourceId: &logicalID})
	switch e, ok := errors.AsType[smithy.APIError](err); {
	case ok && e.ErrorCode() == "ValidationError" && strings.HasPrefix(e.ErrorMessage(), "Resource "+logicalID+" does not exist"):
	case err != nil:
		return "", "", fmt.Errorf("describe the resource %s of the stack %s: %w", logicalID, stackID, err)
	default:
		physicalID = text(resource.StackResourceDetail.PhysicalResourceId)
	}
	return string(out.Stacks[0].StackStatus), physicalID, nil
}
