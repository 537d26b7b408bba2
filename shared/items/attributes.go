package items

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// The names of attributes. Those of blocks are short: blocks are written most
// often, and DynamoDB charges for each started KB.
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
	attrEntries      = "Entries"
	attrSpace        = "Space"
	AttrCIDR         = "Cidr"
	AttrDigest       = "Digest"
	AttrState        = "State"
	AttrObject       = "Object"
	AttrRev          = "Rev"
	AttrAnswer       = "Answer"
	AttrSince        = "Since"
	AttrSeen         = "Seen" // of a taken block: a token that changes with each live resource found in it
	attrTargets      = "Targets"
	AttrStatus       = "Status"
	AttrIgnored      = "Ignored"
	attrSampled      = "Sampled"
	AttrAttempted    = "Attempted"
	AttrSucceeded    = "Succeeded"
	attrUnit         = "OrganizationalUnitId"
	AttrDeparture    = "Departure"
	attrEnd          = "End"
	AttrToken        = "Token" // of a work note: changes with each reason for the work
	attrRequest      = "Request"
	AttrPendingUntil = "PendingUntil"  // of a pending block: end of the time in which EC2 may be asked, Unix seconds
	AttrMadeAt       = "MadeAt"        // of a pending block and its row: when EC2 had made the resource, Unix seconds by EC2's clock
	AttrAssociation  = "AssociationId" // of a pending block's row: EC2's id for the association of the CIDR with its resource
	AttrPlanningPool = "PlanningPool"  // of a VPC's block: its planning pool
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
	attrClientToken    = "ClientToken"
	AttrFailure        = "Failure"
	attrFailures       = "Failures" // of a discovered account: failed runs in a row
	attrFailing        = "Failing"  // of a discovered account: start of the first of them, Unix milliseconds
)

// The attributes of prefix list resolvers and their versions.
const (
	AttrChanges = "Changes"
	AttrThrough = "Through"
	attrCIDRs   = "Cidrs"
)

// The attributes of [PoolUsage].
const (
	AttrPercent   = "Percent"
	AttrThreshold = "Threshold"
	AttrCrossed   = "Crossed"
)

// TagMap returns the attribute of an object's tags.
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

// JSON returns a value as the JSON text of an attribute. It panics if the value
// cannot be marshalled.
func JSON(v any) string {
	doc, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err)) // plain data, no cycles
	}
	return string(doc)
}

// meta is the sort key of an item that is alone in its partition.
const meta = "META"
