package items

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Attribute names. Those of blocks are short: they are on the hot path, where
// each started KB costs.
const (
	AttrRoot         = "Root" // "<root id>/<bits>"
	AttrAllocationID = "AllocationId"
	AttrKind         = "Kind"
	AttrOwner        = "Owner"
	AttrResourceID   = "ResourceId"
	AttrRegion       = "ResourceRegion"
	AttrDescription  = "Description"
	AttrTags         = "Tags"
	attrDeadline     = "Deadline"
	attrSpace        = "Space"
	AttrCIDR         = "Cidr"
	AttrDigest       = "Digest"
	AttrState        = "State"
	AttrObject       = "Object"
	AttrRev          = "Rev"
	AttrAnswer       = "Answer"
	AttrSince        = "Since"
	AttrSeen         = "Seen" // of a taken block: a token, new with each resource that is found in it
	attrTargets      = "Targets"
	AttrStatus       = "Status"
	AttrIgnored      = "Ignored"
	attrSampled      = "Sampled"
	AttrAttempted    = "Attempted"
	AttrSucceeded    = "Succeeded"
	attrUnit         = "OrganizationalUnitId"
	AttrDeparture    = "Departure"
	attrEnd          = "End"
	AttrToken        = "Token" // of a note: new with each reason for it
	attrRequest      = "Request"
	AttrPendingUntil = "PendingUntil" // of a block for a resource that EC2 is being asked for: until when, Unix seconds
	AttrPlanningPool = "PlanningPool" // of a VPC's block: the planning pool over it
	AttrScope        = "Scope"
	AttrIPAM         = "Ipam"

	AttrIPAMCount      = "IpamCount"
	AttrScopeCount     = "ScopeCount"
	AttrPoolCount      = "PoolCount"
	AttrCIDRCount      = "CidrCount"
	AttrChildCount     = "ChildCount"
	AttrDiscoveryCount = "DiscoveryCount"
	AttrID             = "Id"
	AttrSource         = "Source"
	attrFailureCode    = "FailureCode"
	attrChosen         = "Chosen"
	AttrFailure        = "Failure"
	attrFailures       = "Failures" // of a discovered account: failed runs in a row
	attrFailing        = "Failing"  // of a discovered account: start of the first of them, Unix milliseconds
)

const (
	AttrPercent   = "Percent"
	AttrThreshold = "Threshold"
	AttrCrossed   = "Crossed"
)

func TagMap(t ipam.Tags) types.AttributeValue {
	m := make(map[string]types.AttributeValue, len(t))
	for k, v := range t {
		m[k] = table.Str(v)
	}
	return &types.AttributeValueMemberM{Value: m}
}

func tags(i table.Item) ipam.Tags {
	v, _ := i[AttrTags].(*types.AttributeValueMemberM)
	if v == nil || len(v.Value) == 0 {
		return nil
	}
	t := make(ipam.Tags, len(v.Value))
	for k, av := range v.Value {
		if s, ok := av.(*types.AttributeValueMemberS); ok {
			t[k] = s.Value
		}
	}
	return t
}

// What a discovery finds is kept twice: as it was found, under the discovery,
// Region and account, which is what a run compares with; and in address order
// in the scope of each IPAM that sees it, with its statuses.

// JSON writes a value as the JSON text of an attribute.
func JSON(v any) string {
	doc, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err)) // plain data, no cycles
	}
	return string(doc)
}

// meta is the sort key of an item that is alone in its partition.
const meta = "META"
