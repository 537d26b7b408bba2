package ops

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// maxRegions is the number of operating Regions of an IPAM. One request of the EC2 API
// can name as many.
const maxRegions = 50

const (
	noLocale     = "None"   // shown by a pool without a locale
	globalLocale = "Global" // the locale of pools for global services
)

// operatingRegions returns the Regions sorted, as an IPAM keeps them. It checks only the
// form of their names: Cadastre has no list of AWS's Regions.
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

// regionChange is a change of operating Regions.
type regionChange struct{ add, remove []string }

// parseRegionChange reads the Regions to add and to remove. It returns an error for a
// Region that is in both lists.
func parseRegionChange(add []types.AddIpamOperatingRegion, remove []types.RemoveIpamOperatingRegion) (c regionChange, err error) {
	c.add = addedRegions(add)
	for _, r := range remove {
		c.remove = append(c.remove, aws.ToString(r.RegionName))
	}
	for _, list := range [][]string{c.add, c.remove} {
		if _, err := operatingRegions(list); err != nil {
			return c, err
		}
	}
	for _, r := range c.remove {
		if slices.Contains(c.add, r) {
			return c, invalidCombination("The Region %s is in both AddOperatingRegions and RemoveOperatingRegions. Name it in one of them.", r)
		}
	}
	return c, nil
}

// apply returns the Regions after the change.
func (c regionChange) apply(regions []string) ([]string, error) {
	return operatingRegions(append(without(regions, c.remove), c.add...))
}

func addedRegions(regions []types.AddIpamOperatingRegion) (names []string) {
	for _, r := range regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	return names
}

// without returns the texts of all that are not in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
