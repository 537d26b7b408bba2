package ops

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// maxRegions is the number of operating Regions of an IPAM, as many as one
// request of the EC2 API can name.
const maxRegions = 50

const (
	noLocale     = "None"   // what a pool without a locale shows
	globalLocale = "Global" // of pools for global services
)

// operatingRegions returns the Regions in the order in which an IPAM keeps
// them. Which Regions AWS has is not known here, only how they are named.
func operatingRegions(names []string) ([]string, error) {
	for _, n := range names {
		if !ipam.IsRegion(n) {
			return nil, schema.Invalid("OperatingRegions", n, "Use the name of a Region such as ap-northeast-1.")
		}
	}
	regions := slices.Compact(slices.Sorted(slices.Values(names)))
	if len(regions) > maxRegions {
		return nil, ipam.LimitExceeded("operating Regions", int64(len(regions)), maxRegions)
	}
	return regions, nil
}

func addedRegions(regions []types.AddIpamOperatingRegion) (names []string) {
	for _, r := range regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	return names
}

func removedRegions(regions []types.RemoveIpamOperatingRegion) (names []string) {
	for _, r := range regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	return names
}

// without returns what is in all and not in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
