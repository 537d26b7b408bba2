package main

import (
	"bytes"
	"mime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/wire/csvrows"
)

const csvContentType = "text/csv; charset=utf-8; header=present" // RFC 4180, section 3

// acceptsCSV reports whether an Accept header names text/csv. If so, the answer is CSV,
// even if the header names other types, too.
func acceptsCSV(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		refused := parameters["q"] != "" && strings.Trim(parameters["q"], "0.") == "" // RFC 9110, section 12.4.2
		if err == nil && kind == "text/csv" && !refused {
			return true
		}
	}
	return false
}

// historyColumns are the columns of history in CSV. They have the names of the members.
var historyColumns = []struct {
	name  string
	value func(*types.IpamAddressHistoryRecord) string
}{
	{"ResourceOwnerId", func(r *types.IpamAddressHistoryRecord) string { return aws.ToString(r.ResourceOwnerId) }},
	{"ResourceRegion", func(r *types.IpamAddressHistoryRecord) string { return aws.ToString(r.ResourceRegion) }},
	{"ResourceType", func(r *types.IpamAddressHistoryRecord) string { return string(r.ResourceType) }},
	{"ResourceId", func(r *types.IpamAddressHistoryRecord) string { return aws.ToString(r.ResourceId) }},
	{"ResourceCidr", func(r *types.IpamAddressHistoryRecord) string { return aws.ToString(r.ResourceCidr) }},
	{"ResourceName", func(r *types.IpamAddressHistoryRecord) string { return aws.ToString(r.ResourceName) }},
	{"ResourceComplianceStatus", func(r *types.IpamAddressHistoryRecord) string { return string(r.ResourceComplianceStatus) }},
	{"ResourceOverlapStatus", func(r *types.IpamAddressHistoryRecord) string { return string(r.ResourceOverlapStatus) }},
	{"VpcId", func(r *types.IpamAddressHistoryRecord) string { return aws.ToString(r.VpcId) }},
	{"SampledStartTime", func(r *types.IpamAddressHistoryRecord) string { return moment(r.SampledStartTime) }},
	{"SampledEndTime", func(r *types.IpamAddressHistoryRecord) string { return moment(r.SampledEndTime) }},
}

// historyCSV returns records as CSV; see [csvrows.Write]. The field of an absent member is
// empty.
func historyCSV(records []types.IpamAddressHistoryRecord) []byte {
	row := func(value func(i int) string) []string {
		cells := make([]string, len(historyColumns))
		for i := range cells {
			cells[i] = value(i)
		}
		return cells
	}
	var b bytes.Buffer
	_ = csvrows.Write(&b, row(func(i int) string { return historyColumns[i].name }), func(yield func([]string) bool) {
		for n := range records {
			if !yield(row(func(i int) string { return historyColumns[i].value(&records[n]) })) {
				return
			}
		}
	}) // to memory
	return b.Bytes()
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
