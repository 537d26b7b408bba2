// Package discover reads the live networks of accounts. It lists the accounts
// to watch, assumes their roles, reads EC2's resources, compares them with
// earlier ones, and finds the changed resources in CloudTrail's events. It
// stores nothing.
package discover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// EC2 has the calls that read one account in one Region. The SDK's client
// implements it.
type EC2 interface {
	DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
	DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error)
	DescribeAddresses(context.Context, *ec2.DescribeAddressesInput, ...func(*ec2.Options)) (*ec2.DescribeAddressesOutput, error)
	DescribePublicIpv4Pools(context.Context, *ec2.DescribePublicIpv4PoolsInput, ...func(*ec2.Options)) (*ec2.DescribePublicIpv4PoolsOutput, error)
	DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error)
}

// ReaderActions are the IAM actions that an account's reader role needs. They
// apply to all resources: IAM cannot limit them to some.
var ReaderActions = []string{
	"ec2:DescribeAddresses",
	"ec2:DescribeNetworkInterfaces",
	"ec2:DescribePublicIpv4Pools",
	"ec2:DescribeSubnets",
	"ec2:DescribeVpcs",
}

const (
	callTimeout = time.Minute // for one page, the SDK's own retries included
	pageSize    = 1000        // the largest that the calls allow
	poolPage    = 10          // for DescribePublicIpv4Pools
	filterSize  = 200         // values of a filter, the largest number that EC2 allows
)

// ConfirmWait is the time between the two reads of a resource that EC2 does not show,
// before it counts as deleted: EC2's answers are eventually consistent.
const ConfirmWait = 5 * time.Second

// Seen contains EC2's resources of an account and Region, or a part of them.
type Seen struct {
	VPCs       []types.Vpc
	Subnets    []types.Subnet
	Addresses  []types.Address
	Pools      []types.PublicIpv4Pool
	Interfaces []types.NetworkInterface

	// At is the time of EC2's first answer about VPCs and subnets, by EC2's own clock;
	// zero if the answers have no time.
	At time.Time
}

// answered notes the time of an answer.
func (s *Seen) answered(m middleware.Metadata) {
	if at, ok := awsmiddleware.GetServerTime(m); ok && (s.At.IsZero() || at.Before(s.At)) {
		s.At = at
	}
}

// Read reads all resources. It fails with a [*CallError] at the first failed
// call: the caller would delete the missing resources if it took a part for the
// whole.
func Read(ctx context.Context, c EC2) (*Seen, error) {
	var s Seen
	for _, read := range []func(context.Context, EC2, [][]types.Filter) error{
		s.readVPCs, s.readSubnets, s.readAddresses, s.readPools, s.readInterfaces,
	} {
		if err := read(ctx, c, nil); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// Selection names resources of an account in a Region by their ids.
type Selection struct {
	VPCs, Subnets, Addresses, Pools, Interfaces []string

	Instances    []string // selects their interfaces
	Attachments  []string // eni-attach-…: selects their interfaces
	AllAddresses bool     // selects all Elastic IPs
	Contents     bool     // selects the subnets of the VPCs too
}

// ReadSelected reads the selected resources, and the resources that these
// depend on or are counted in: the interfaces of Elastic IPs, the subnets of
// interfaces, the VPCs of subnets, the pools of Elastic IPs. So [Seen.Resources]
// returns the same for them as after [Read]. ReadSelected returns the selection
// of all of these.
func ReadSelected(ctx context.Context, c EC2, sel Selection) (*Seen, Selection, error) {
	var s Seen
	addresses := byIDs("allocation-id", sel.Addresses)
	if sel.AllAddresses {
		addresses = nil
	}
	if err := s.readAddresses(ctx, c, addresses); err != nil {
		return nil, sel, err
	}
	for _, a := range s.Addresses {
		id := aws.ToString(a.AllocationId)
		if sel.AllAddresses {
			sel.Addresses = add(sel.Addresses, id)
		}
		if !slices.Contains(sel.Addresses, id) {
			continue
		}
		sel.Interfaces = add(sel.Interfaces, aws.ToString(a.NetworkInterfaceId))
		if p := aws.ToString(a.PublicIpv4Pool); IDType(p) == ipam.ResourcePublicIPv4Pool {
			sel.Pools = add(sel.Pools, p)
		}
	}
	for _, filters := range [][][]types.Filter{
		byIDs("network-interface-id", sel.Interfaces), byIDs("attachment.instance-id", sel.Instances), byIDs("attachment.attachment-id", sel.Attachments),
	} {
		if err := s.readInterfaces(ctx, c, filters); err != nil {
			return nil, sel, err
		}
	}
	for _, i := range s.Interfaces {
		id := aws.ToString(i.NetworkInterfaceId)
		if a := i.Attachment; a != nil && (slices.Contains(sel.Instances, aws.ToString(a.InstanceId)) || slices.Contains(sel.Attachments, aws.ToString(a.AttachmentId))) {
			sel.Interfaces = add(sel.Interfaces, id)
		}
		if slices.Contains(sel.Interfaces, id) {
			sel.Subnets = add(sel.Subnets, aws.ToString(i.SubnetId))
		}
	}
	if err := s.readSubnets(ctx, c, byIDs("subnet-id", sel.Subnets)); err != nil {
		return nil, sel, err
	}
	for _, n := range s.Subnets {
		if slices.Contains(sel.Subnets, aws.ToString(n.SubnetId)) {
			sel.VPCs = add(sel.VPCs, aws.ToString(n.VpcId))
		}
	}
	ofVPCs := byIDs("vpc-id", sel.VPCs)
	if err := s.readVPCs(ctx, c, ofVPCs); err != nil {
		return nil, sel, err
	}
	if err := s.readSubnets(ctx, c, ofVPCs); err != nil {
		return nil, sel, err
	}
	if sel.Contents {
		for _, n := range s.Subnets {
			if slices.Contains(sel.VPCs, aws.ToString(n.VpcId)) {
				sel.Subnets = add(sel.Subnets, aws.ToString(n.SubnetId))
			}
		}
	}
	if len(sel.Pools) > 0 {
		if err := s.readPools(ctx, c, nil); err != nil {
			return nil, sel, err
		}
	}
	return &s, sel, nil
}

// add returns the set with one more member, unless id is "". It does not write
// to set.
func add(set []string, id string) []string {
	if id == "" || slices.Contains(set, id) {
		return set
	}
	return append(slices.Clip(set), id)
}

// Covers reports whether the selection names the resource.
func (s *Selection) Covers(r *ipam.Resource) bool {
	return slices.Contains(s.IDs(r.Type), r.ID)
}

// IDs returns the ids of a type that the selection names.
func (s *Selection) IDs(t ipam.ResourceType) []string {
	switch t {
	case ipam.ResourceVPC:
		return s.VPCs
	case ipam.ResourceSubnet:
		return s.Subnets
	case ipam.ResourceEIP:
		return s.Addresses
	case ipam.ResourcePublicIPv4Pool:
		return s.Pools
	case ipam.ResourceInterface:
		return s.Interfaces
	}
	return nil
}

// byIDs returns filters that together name all ids, never nil. Each filter is for one
// call. An unknown id makes a call with a list of ids fail, but not a call with
// a filter.
func byIDs(name string, ids []string) [][]types.Filter {
	filters := [][]types.Filter{}
	for some := range slices.Chunk(ids, filterSize) {
		filters = append(filters, []types.Filter{{Name: &name, Values: some}})
	}
	return filters
}

// each reads all pages for each of the filters, or without a filter if filters
// is nil. page reads one page and returns the token of the next, nil after the
// last.
func each(ctx context.Context, call string, filters [][]types.Filter, page func(context.Context, []types.Filter, *string) (*string, error)) error {
	if filters == nil {
		filters = [][]types.Filter{nil}
	}
	for _, f := range filters {
		for token := (*string)(nil); ; {
			next, err := timed(ctx, func(ctx context.Context) (*string, error) { return page(ctx, f, token) })
			if err != nil {
				return &CallError{call, err}
			}
			if token = next; aws.ToString(token) == "" {
				break
			}
		}
	}
	return nil
}

// timed limits the time of one call, so that a call without an answer fails
// while there is time left to report it.
func timed[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx)
}

func (s *Seen) readVPCs(ctx context.Context, c EC2, filters [][]types.Filter) error {
	return each(ctx, "DescribeVpcs", filters, func(ctx context.Context, f []types.Filter, token *string) (*string, error) {
		out, err := c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: f, NextToken: token, MaxResults: aws.Int32(pageSize)})
		if err != nil {
			return nil, err
		}
		s.answered(out.ResultMetadata)
		s.VPCs = append(s.VPCs, out.Vpcs...)
		return out.NextToken, nil
	})
}

// readSubnets adds the subnets that were not read yet, because each subnet
// counts once in its VPC.
func (s *Seen) readSubnets(ctx context.Context, c EC2, filters [][]types.Filter) error {
	read := map[string]bool{}
	for _, n := range s.Subnets {
		read[aws.ToString(n.SubnetId)] = true
	}
	return each(ctx, "DescribeSubnets", filters, func(ctx context.Context, f []types.Filter, token *string) (*string, error) {
		out, err := c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: f, NextToken: token, MaxResults: aws.Int32(pageSize)})
		if err != nil {
			return nil, err
		}
		s.answered(out.ResultMetadata)
		for _, n := range out.Subnets {
			if id := aws.ToString(n.SubnetId); !read[id] {
				read[id] = true // a page may repeat subnets of another
				s.Subnets = append(s.Subnets, n)
			}
		}
		return out.NextToken, nil
	})
}

// readAddresses reads Elastic IPs. The call has no pages.
func (s *Seen) readAddresses(ctx context.Context, c EC2, filters [][]types.Filter) error {
	return each(ctx, "DescribeAddresses", filters, func(ctx context.Context, f []types.Filter, _ *string) (*string, error) {
		out, err := c.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: f})
		if err != nil {
			return nil, err
		}
		s.Addresses = append(s.Addresses, out.Addresses...)
		return nil, nil
	})
}

// readPools reads all public IPv4 pools: there are few, and the call has no
// filter by id. An endpoint without the call has no pools.
func (s *Seen) readPools(ctx context.Context, c EC2, filters [][]types.Filter) error {
	return each(ctx, "DescribePublicIpv4Pools", filters, func(ctx context.Context, f []types.Filter, token *string) (*string, error) {
		out, err := c.DescribePublicIpv4Pools(ctx, &ec2.DescribePublicIpv4PoolsInput{Filters: f, NextToken: token, MaxResults: aws.Int32(poolPage)})
		if e, ok := errors.AsType[smithy.APIError](err); ok && slices.Contains(noSuchCall, e.ErrorCode()) {
			slog.WarnContext(ctx, "there are no public IPv4 pools here", "error", err.Error())
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s.Pools = append(s.Pools, out.PublicIpv4Pools...)
		return out.NextToken, nil
	})
}

// noSuchCall are the codes of an endpoint that does not know an action
// (EC2 API Reference, "Common client error codes").
var noSuchCall = []string{"InvalidAction", "UnknownOperation", "UnknownOperationException", "UnsupportedOperation", "ActionNotSupported"}

func (s *Seen) readInterfaces(ctx context.Context, c EC2, filters [][]types.Filter) error {
	return each(ctx, "DescribeNetworkInterfaces", filters, func(ctx context.Context, f []types.Filter, token *string) (*string, error) {
		out, err := c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: f, NextToken: token, MaxResults: aws.Int32(pageSize)})
		if err != nil {
			return nil, err
		}
		s.Interfaces = append(s.Interfaces, out.NetworkInterfaces...)
		return out.NextToken, nil
	})
}

// CallError is the failure of a call in an account.
type CallError struct {
	Call string
	Err  error
}

func (e *CallError) Error() string { return fmt.Sprintf("%s: %v", e.Call, e.Err) }

func (e *CallError) Unwrap() error { return e.Err }
