package ops

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// arn returns the ARN of an object with m's owner and partition. Its Region is empty for
// every IPAM type, as in the samples of the AWS CLI reference.
func arn(m *ipam.Meta, kind ipam.IDKind, id string) *string {
	return aws.String("arn:" + ipam.PartitionOf(m.Region) + ":ec2::" + m.Owner + ":" + string(resourceTypes[kind]) + "/" + id)
}

// idOfARN returns the id at the end of an ARN.
func idOfARN(arn *string) string {
	s := aws.ToString(arn)
	return s[strings.LastIndexByte(s, '/')+1:]
}

// optional returns nil for "": an answer leaves out an empty member.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// resourceTypes are the EC2 API's names of the objects that can have tags.
var resourceTypes = map[ipam.IDKind]types.ResourceType{
	ipam.IDIPAM:                 types.ResourceTypeIpam,
	ipam.IDScope:                types.ResourceTypeIpamScope,
	ipam.IDPool:                 types.ResourceTypeIpamPool,
	ipam.IDDiscovery:            types.ResourceTypeIpamResourceDiscovery,
	ipam.IDDiscoveryAssociation: types.ResourceTypeIpamResourceDiscoveryAssociation,
	ipam.IDResolver:             types.ResourceTypeIpamPrefixListResolver,
	ipam.IDAllocation:           "ipam-pool-allocation",
}

func showTags(tags ipam.Tags) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

// showResourceTags shows tags that are not those of an object of IPAM itself.
func showResourceTags(tags ipam.Tags) []types.IpamResourceTag {
	out := make([]types.IpamResourceTag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.IpamResourceTag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

// showTime shows a time in Unix milliseconds. It returns nil for 0.
func showTime(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	return aws.Time(time.UnixMilli(ms).UTC())
}

func showLength(n *int) *int32 {
	if n == nil {
		return nil
	}
	return aws.Int32(int32(*n))
}
