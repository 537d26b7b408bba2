package ops

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The input and output of ReportIpamResourceDeletion. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// ReportIpamResourceDeletionInput is the input of ReportIpamResourceDeletion.
	ReportIpamResourceDeletionInput struct {
		DryRun                     *bool
		ResourceId, ResourceRegion *string // of a VPC or subnet
		ResourceCidr               *string // that the resource does not have any more; nil if the resource is deleted
		AssociationId              *string // EC2's id for the association of ResourceCidr that ended; any if nil
	}
	// ReportIpamResourceDeletionOutput is the output of ReportIpamResourceDeletion: the
	// CIDRs that the resource does not have any more. It is empty if Cadastre knows none.
	ReportIpamResourceDeletionOutput struct {
		ResourceCidrs []string
	}
)

// deletion is the end of a VPC or subnet in EC2, or of the association of one CIDR with it.
type deletion struct {
	account, region string
	kind            ipam.ResourceType
	id              string
	cidr            netip.Prefix // that the resource does not have any more; the zero Prefix for all
	association     string       // EC2's id for the association of cidr; "" for any
}

// String names the resource, with its CIDR if only that ended.
func (d *deletion) String() string {
	if !d.cidr.IsValid() {
		return d.id
	}
	return d.id + " with " + d.cidr.String()
}

// ends reports whether the deletion ends a CIDR of its resource.
func (d *deletion) ends(cidr netip.Prefix) bool { return !d.cidr.IsValid() || cidr == d.cidr }

// endsPending reports whether the deletion ends the resource of a pending block.
func (d *deletion) endsPending(p *store.Pending) bool {
	return p.ID == d.id && d.ends(p.Resource.CIDR) && (d.association == "" || p.Association == "" || p.Association == d.association)
}

// parseDeletion returns the deletion that a caller reports for its own account.
func parseDeletion(ctx context.Context, in *ReportIpamResourceDeletionInput) (*deletion, error) {
	d := &deletion{
		account: registry.CallerFrom(ctx).Account, region: aws.ToString(in.ResourceRegion), id: aws.ToString(in.ResourceId), association: aws.ToString(in.AssociationId),
	}
	if d.kind = discover.IDType(d.id); d.kind != ipam.ResourceVPC && d.kind != ipam.ResourceSubnet {
		return nil, schema.Invalid("ResourceId", d.id, "Use the id of a VPC or a subnet.")
	}
	if !ipam.IsRegion(d.region) {
		return nil, schema.Invalid("ResourceRegion", d.region, "Use the name of a Region such as ap-northeast-1.")
	}
	if in.ResourceCidr == nil {
		if in.AssociationId != nil {
			return nil, invalidCombination("AssociationId names the association of a CIDR that ended. Give that CIDR as ResourceCidr too.")
		}
		return d, nil
	}
	var err error
	d.cidr, err = parseCIDR("ResourceCidr", in.ResourceCidr)
	return d, err
}

// reportDeletion gives back the space of a resource that the caller has deleted in EC2. A
// report proves nothing, so it asks EC2 itself, with the vending role of the caller's
// account. EC2's answers are eventually consistent, so it asks twice, some seconds apart.
// It reads no clock.
//
// Within EC2's lag of a resource that was just made, EC2 may leave the resource out of both
// answers. A false report then gives back the space of a resource that exists. Discovery
// records the resource as soon as EC2 shows it, and its CIDR may overlap another. A false
// report does no more harm than a resource with a CIDR of the account's own choice.
func (o service) reportDeletion(ctx context.Context, in *ReportIpamResourceDeletionInput) (*ReportIpamResourceDeletionOutput, error) {
	d, err := parseDeletion(ctx, in)
	if err != nil {
		return nil, err
	}
	// Read before EC2 is asked: a row that is written after that may be of another association.
	known, err := o.spaceOf(ctx, d)
	if err != nil || known.empty() {
		return &ReportIpamResourceDeletionOutput{}, err
	}
	if err := o.checkGone(ctx, d); err != nil {
		return nil, err
	}
	ended, err := o.end(ctx, known, store.ReportedDeleted)
	if err != nil {
		return nil, err
	}
	out := &ReportIpamResourceDeletionOutput{}
	for _, c := range ended {
		out.ResourceCidrs = append(out.ResourceCidrs, c.String())
	}
	return out, nil
}

// resourceSpace is the space of a resource: reserved, or recorded by discoveries.
type resourceSpace struct {
	pending []*store.Pending
	found   []*ipam.Found
}

func (s *resourceSpace) empty() bool { return len(s.pending)+len(s.found) == 0 }

// spaceOf returns the space that a deletion ends. A pending block becomes a recorded
// resource and never the other way, so it reads the pending blocks first.
func (o service) spaceOf(ctx context.Context, d *deletion) (resourceSpace, error) {
	var all resourceSpace
	pending, err := o.store.Pending(ctx, d.account, d.region)
	if err != nil {
		return all, err
	}
	all.pending = slices.DeleteFunc(pending, func(p *store.Pending) bool { return !d.endsPending(p) })
	discoveries, err := o.store.AllDiscoveries(ctx)
	if err != nil {
		return all, err
	}
	for _, of := range discoveries {
		found, err := o.store.FoundOf(ctx, of.ID, d.region, d.account, d.kind, d.id)
		if err != nil {
			return all, err
		}
		all.found = append(all.found, slices.DeleteFunc(found, func(f *ipam.Found) bool { return !d.ends(f.CIDR) })...)
	}
	return all, nil
}

// end gives back space and returns its CIDRs, by ascending address. It leaves out
// the rows that changed since they were read. A second call continues an earlier one.
func (o service) end(ctx context.Context, space resourceSpace, why store.Deleted) ([]netip.Prefix, error) {
	var ended []netip.Prefix
	for _, p := range space.pending {
		done, err := o.store.EndDeleted(ctx, p, why)
		if err != nil {
			return nil, err
		}
		if done {
			ended = append(ended, p.Resource.CIDR)
		}
	}
	for _, f := range space.found {
		done, err := o.store.Forget(ctx, f, f.Sampled+1) // if it is as it was read
		if err != nil {
			return nil, err
		}
		if done {
			ended = append(ended, f.CIDR)
		}
	}
	slices.SortFunc(ended, netip.Prefix.Compare)
	return slices.Compact(ended), nil
}

// checkGone returns an error unless EC2, asked twice, does not show the resource with the
// CIDRs that the deletion ends.
func (o service) checkGone(ctx context.Context, d *deletion) error {
	cloud, err := o.ec2In(ctx, d.region)
	if ipam.CodeOf(err) == ipam.CodeUnsupportedOperation {
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "This deployment has no vending role, so Cadastre cannot ask EC2 whether %s exists. "+untilDiscovery, d)
	}
	if err != nil {
		return err
	}
	for read := range 2 {
		if read > 0 {
			if err := backoff.Sleep(ctx, discover.ConfirmWait); err != nil {
				return unread(d, err)
			}
		}
		shown, err := shows(ctx, cloud, d)
		if err != nil {
			return unread(d, err)
		}
		if shown {
			return ipam.Errorf(ipam.CodeIncorrectState, "EC2 still shows %s in %s, so nothing was changed. After a deletion, EC2 may show a resource for some seconds: report it again then.", d, d.region)
		}
	}
	return nil
}

const untilDiscovery = "Its space stays reserved until discovery has read the account."

// unread returns the error for a deletion about which EC2 gave no answer.
func unread(d *deletion, err error) error {
	if e := refusalOf(err); e != nil {
		return fmt.Errorf("%w: %w", ipam.Errorf(e.Code, "EC2 did not say whether %s exists: %s. "+untilDiscovery, d, e.Message), err)
	}
	return fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable, "EC2 did not say whether %s exists. "+untilDiscovery+" Or report it again.", d), err)
}

// shows reports whether EC2 shows the resource with a CIDR that the deletion ends. A call with a filter does not fail
// for an unknown id.
func shows(ctx context.Context, cloud VPCs, d *deletion) (bool, error) {
	var seen discover.Seen
	if d.kind == ipam.ResourceVPC {
		for p := ec2.NewDescribeVpcsPaginator(cloud, &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{d.id}}}}); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				return false, err
			}
			seen.VPCs = append(seen.VPCs, out.Vpcs...)
		}
	} else {
		for p := ec2.NewDescribeSubnetsPaginator(cloud, &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: aws.String("subnet-id"), Values: []string{d.id}}}}); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				return false, err
			}
			seen.Subnets = append(seen.Subnets, out.Subnets...)
		}
	}
	return slices.ContainsFunc(seen.Resources(d.account, d.region), func(r ipam.Resource) bool { return r.ID == d.id && d.ends(r.CIDR) }), nil
}

// endDisassociated gives back the space of a VPC's CIDR that EC2 has disassociated for the
// caller. EC2 has answered, so a failure is no failure of the call: discovery gives the
// space back then.
func (o service) endDisassociated(ctx context.Context, out *ec2.DisassociateVpcCidrBlockOutput) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	d := &deletion{account: registry.CallerFrom(ctx).Account, region: o.region(ctx), kind: ipam.ResourceVPC, id: aws.ToString(out.VpcId)}
	var cidr *string
	if a := out.CidrBlockAssociation; a != nil {
		cidr, d.association = a.CidrBlock, aws.ToString(a.AssociationId)
	}
	if a := out.Ipv6CidrBlockAssociation; a != nil {
		cidr, d.association = a.Ipv6CidrBlock, aws.ToString(a.AssociationId)
	}
	var known resourceSpace
	var err error
	if d.cidr, err = netip.ParsePrefix(aws.ToString(cidr)); err != nil {
		err = fmt.Errorf("EC2's answer names no CIDR: %w", err)
	} else {
		d.cidr = d.cidr.Masked()
		known, err = o.spaceOf(ctx, d)
	}
	if err == nil {
		_, err = o.end(ctx, known, store.DeletedAssociation)
	}
	if err != nil {
		slog.ErrorContext(ctx, "the space of a disassociated CIDR was not returned; discovery will return it", "resource", d.String(), "error", err.Error())
	}
}
