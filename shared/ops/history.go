package ops

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// getHistory lists what used exactly the CIDR at some time from StartTime, which
// defaults to EndTime, to EndTime, which defaults to now: by type, resource and
// start (Amazon EC2 API reference, GetIpamAddressHistory).
func (o service) getHistory(ctx context.Context, in *ec2.GetIpamAddressHistoryInput) (*ec2.GetIpamAddressHistoryOutput, error) {
	moment := func(t *time.Time) string { // a time says nothing to digest
		if t == nil {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	given := struct{ Cidr, Scope, VPC, Start, End string }{
		aws.ToString(in.Cidr), aws.ToString(in.IpamScopeId), aws.ToString(in.VpcId), moment(in.StartTime), moment(in.EndTime),
	}
	p, err := newPage(ctx, listRequest{"GetIpamAddressHistory", given, in.MaxResults, in.NextToken, nil}, 100)
	if err != nil {
		return nil, err
	}
	after := ""
	switch len(p.After) {
	case 0:
	case 1:
		after = p.After[0]
	default:
		return nil, p.InvalidToken()
	}
	if err := listing.CheckText("VpcId", in.VpcId); err != nil {
		return nil, err
	}
	cidr, err := parseCIDR("Cidr", in.Cidr)
	if err != nil {
		return nil, err
	}
	end := o.store.Now().UnixMilli()
	if in.EndTime != nil {
		end = in.EndTime.UnixMilli()
	}
	start := end
	if in.StartTime != nil {
		start = in.StartTime.UnixMilli()
	}
	if start > end {
		return nil, schema.Invalid("StartTime", moment(in.StartTime), "It is after the EndTime, which is now unless you give it. Use an earlier time.")
	}
	scopes, err := o.scopes().find(ctx, "IpamScopeId", []string{aws.ToString(in.IpamScopeId)})
	if err != nil {
		return nil, err
	}
	above, err := o.store.IPAMs(ctx, []string{scopes[0].IPAM})
	if err != nil {
		return nil, err
	}
	if len(above) > 0 && above[0].Tier == string(types.IpamTierFree) {
		return nil, ipam.Errorf(ipam.CodeUnsupportedOperation, "The history of addresses is not part of the free tier. Change %s to the advanced tier with ModifyIpam.", above[0].ID)
	}
	records := listing.Read(after, func(after string) ([]*ipam.HistoryRecord, string, error) {
		return o.store.History(ctx, scopes[0].ID, cidr, after, 0)
	}, func(r *ipam.HistoryRecord) []string { return []string{items.HistoryAfter(r)} })
	used := listing.Filter(records, func(r *ipam.HistoryRecord) bool {
		return r.Start <= end && (r.End == 0 || r.End > start) && (in.VpcId == nil || r.VPC == *in.VpcId)
	})
	found, next, err := listing.Collect(ctx, p, used, showHistory, listing.MatchAll)
	return &ec2.GetIpamAddressHistoryOutput{HistoryRecords: found, NextToken: next}, err
}

func showHistory(r *ipam.HistoryRecord) types.IpamAddressHistoryRecord {
	out := types.IpamAddressHistoryRecord{
		ResourceOwnerId:          &r.Owner,
		ResourceRegion:           &r.Region,
		ResourceType:             types.IpamAddressHistoryResourceType(r.Type),
		ResourceId:               optional(r.ID),
		ResourceCidr:             aws.String(r.CIDR.String()),
		ResourceName:             optional(r.Name),
		ResourceComplianceStatus: types.IpamComplianceStatus(r.Compliance),
		ResourceOverlapStatus:    types.IpamOverlapStatus(r.Overlap),
		VpcId:                    optional(r.VPC),
		SampledStartTime:         aws.Time(time.UnixMilli(r.Start).UTC()),
	}
	if r.End != 0 {
		out.SampledEndTime = aws.Time(time.UnixMilli(r.End).UTC())
	}
	return out
}
