package client

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Operation is an operation of the EC2 IPAM API in the SDK's types.
type Operation struct {
	Name      string
	NewInput  func() any // returns a pointer to an empty input
	NewOutput func() any // returns a pointer to an empty output
	call      func(ctx context.Context, c *ec2.Client, in any) (any, error)
}

// Operations returns the operations that the SDK has, sorted by name. Cadastre's
// own extensions are not among them.
func Operations() []Operation { return slices.Clone(operations[:]) }

// Lookup returns the operation of that name, and false if the SDK does not have
// it.
func Lookup(name string) (Operation, bool) {
	i, ok := slices.BinarySearchFunc(operations[:], name, func(o Operation, name string) int { return strings.Compare(o.Name, name) })
	if !ok {
		return Operation{}, false
	}
	return operations[i], true
}

// Call calls the operation. in is a pointer of the type that NewInput returns,
// and any other type panics. The output is a pointer of the type that NewOutput
// returns, and nil after an error.
func (o Operation) Call(ctx context.Context, c *ec2.Client, in any) (any, error) {
	out, err := o.call(ctx, c, in)
	if err != nil {
		return nil, err // not out: a nil pointer in an interface is not nil
	}
	return out, nil
}

// Call calls the operation of that name; see [Operation.Call]. It returns an
// error without a request if the SDK does not have the operation.
func Call(ctx context.Context, c *ec2.Client, operation string, in any) (any, error) {
	o, ok := Lookup(operation)
	if !ok {
		return nil, fmt.Errorf("call %s: the EC2 client has no such operation", operation)
	}
	return o.Call(ctx, c, in)
}
