package ops

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// maxHistory is the number of records of a page if the request has no MaxResults.
const maxHistory = 100

// getHistory lists the resources that had exactly the CIDR at some time from StartTime to
// EndTime: by type, resource and start (Amazon EC2 API reference, GetIpamAddressHistory).
func (o service) getHistory(ctx context.Context, in *ec2.GetIpamAddressHistoryInput) (*ec2.GetIpamAddressHistoryOutput, error) {
	// The digest of the request needs the times as texts.
	request := struct{ Cidr, Scope, VPC, Start, End string }{
		aws.ToString(in.Cidr), aws.ToString(in.IpamScopeId), aws.ToString(in.VpcId), formatTime(in.StartTime), formatTime(in.EndTime),
	}
	p, err := newPage(ctx, listRequest{"GetIpamAddressHistory", request, in.MaxResults, in.NextToken, nil}, maxHistory)
	if err != nil {
		return nil, err
	}
	if len(p.After) > 1 {
		return nil, p.InvalidToken()
	}
	if err := listing.CheckText("VpcId", in.VpcId); err != nil {
		return nil, err
	}
	cidr, err := parseCIDR("Cidr", in.Cidr)
	if err != nil {
		return nil, err
	}
	start, end, err := o.timeRange(in)
	if err != nil {
		return nil, err
	}
	scope, err := o.scopeWithHistory(ctx, in.IpamScopeId)
	if err != nil {
		return nil, err
	}
	records := listing.Read(strings.Join(p.After, ""), func(after string) ([]*ipam.HistoryRecord, string, error) {
		return o.store.History(ctx, scope, cidr, after, 0)
	}, func(r *ipam.HistoryRecord) []string { return []string{items.HistoryAfter(r)} })
	used := listing.Filter(records, func(r *ipam.HistoryRecord) bool {
		return r.Start <= end && (r.End == 0 || r.End > start) && (in.VpcId == nil || r.VPC == *in.VpcId)
	})
	found, next, err := listing.Collect(ctx, p, used, showHistory, listing.MatchAll)
	return &ec2.GetIpamAddressHistoryOutput{HistoryRecords: found, NextToken: next}, err
}

// timeRange returns the times of a request in Unix milliseconds. EndTime is now by
// default, and StartTime is EndTime by default.
func (o service) timeRange(in *ec2.GetIpamAddressHistoryInput) (start, end int64, err error) {
	end = o.store.Now().UnixMilli()
	if in.EndTime != nil {
		end = in.EndTime.UnixMilli()
	}
	start = end
	if in.StartTime != nil {
		start = in.StartTime.UnixMilli()
	}
	if start > end {
		return 0, 0, schema.Invalid("StartTime", formatTime(in.StartTime), "It is after the EndTime, which is now unless you give it. Use an earlier time.")
	}
	return start, end, nil
}

// formatTime returns a time as text, "" for nil.
func formatTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// scopeWithHistory returns the id of a scope of the caller's, and an error for one of the
// free tier.
func (o service) scopeWithHistory(ctx context.Context, id *string) (string, error) {
	scopes, err := o.scopes().find(ctx, "IpamScopeId", []string{aws.ToString(id)})
	if err != nil {
		return "", err
	}
	above, err := o.store.IPAMs(ctx, []string{scopes[0].IPAM})
	if err != nil {
		return "", err
	}
	if len(above) > 0 && above[0].Tier == string(types.IpamTierFree) {
		return "", ipam.Errorf(ipam.CodeUnsupportedOperation, "The history of addresses is not part of the free tier. Change %s to the advanced tier with ModifyIpam.", above[0].ID)
	}
	return scopes[0].ID, nil
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
