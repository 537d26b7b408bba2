package main

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// cloud is EC2 in every account. It answers with all members that an answer has, and
// keeps the last request and its answer.
type cloud struct{ in, out any }

func (c *cloud) EC2(context.Context, string, string, string) (*cloud, error) { return c, nil }

// answered returns an answer with every member set.
func answered[Out any](c *cloud, in any) (*Out, error) {
	out := new(Out)
	fill(reflect.ValueOf(out).Elem(), "")
	c.in, c.out = in, out
	return out, nil
}

func (c *cloud) CreateVpc(_ context.Context, in *ec2.CreateVpcInput, _ ...func(*ec2.Options)) (*ec2.CreateVpcOutput, error) {
	return answered[ec2.CreateVpcOutput](c, in)
}

func (c *cloud) DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error) {
	return nil, errors.New("not called in this test")
}

func (c *cloud) DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	return nil, errors.New("not called in this test")
}

func (c *cloud) AssociateVpcCidrBlock(_ context.Context, in *ec2.AssociateVpcCidrBlockInput, _ ...func(*ec2.Options)) (*ec2.AssociateVpcCidrBlockOutput, error) {
	return answered[ec2.AssociateVpcCidrBlockOutput](c, in)
}

func (c *cloud) DisassociateVpcCidrBlock(_ context.Context, in *ec2.DisassociateVpcCidrBlockInput, _ ...func(*ec2.Options)) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	return answered[ec2.DisassociateVpcCidrBlockOutput](c, in)
}

func (c *cloud) CreateSubnet(_ context.Context, in *ec2.CreateSubnetInput, _ ...func(*ec2.Options)) (*ec2.CreateSubnetOutput, error) {
	return answered[ec2.CreateSubnetOutput](c, in)
}

// fill sets a value of the SDK's types and all its members to values that differ from
// member to member.
func fill(v reflect.Value, name string) {
	switch {
	case name == "ResultMetadata" || name == "DryRun":
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, len(name), 0, time.UTC)))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), name)
		fill(v.Index(1), name+"2")
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), f.Name)
			}
		}
	case v.Kind() == reflect.String:
		v.SetString("<" + name + ">")
		if values := v.MethodByName("Values"); values.IsValid() {
			v.SetString(values.Call(nil)[0].Index(0).String())
		}
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Int32:
		v.SetInt(int64(len(name)))
	}
}

// passes makes a call without a pool through the SDK's client. The test fails unless all
// members of the input reach EC2 and all members of EC2's answer return. prepare turns the
// filled input into one that EC2 accepts.
func passes[In, Out any](t *testing.T, c *cloud, call func(context.Context, *In, ...func(*ec2.Options)) (*Out, error), prepare func(*In)) {
	t.Helper()
	in := new(In)
	v := reflect.ValueOf(in).Elem()
	fill(v, "")
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; strings.Contains(name, "IpamPoolId") || strings.Contains(name, "NetmaskLength") {
			v.Field(i).SetZero()
		}
	}
	prepare(in)
	out := must(call(t.Context(), in))(t)
	same(t, in, c.in.(*In))
	same(t, c.out.(*Out), out)
}

func specified(kind types.ResourceType) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String(`<"é&日本">`)}}}}
}

func passVPCs(t *testing.T, c *cloud, client *ec2.Client) {
	t.Helper()
	passes(t, c, client.CreateVpc, func(in *ec2.CreateVpcInput) { in.TagSpecifications = specified(types.ResourceTypeVpc) })
	passes(t, c, client.AssociateVpcCidrBlock, func(*ec2.AssociateVpcCidrBlockInput) {})
	passes(t, c, client.DisassociateVpcCidrBlock, func(*ec2.DisassociateVpcCidrBlockInput) {})
	passes(t, c, client.CreateSubnet, func(in *ec2.CreateSubnetInput) { in.TagSpecifications = specified(types.ResourceTypeSubnet) })
}
