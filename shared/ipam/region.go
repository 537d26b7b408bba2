package ipam

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$`)

// IsRegion reports whether s has the form of a Region's name, such as
// ap-northeast-1 or eusc-de-east-1. It does not know whether the Region exists.
func IsRegion(s string) bool { return regionName.MatchString(s) }

// commercial is the partition of all Regions that partitions does not cover.
const commercial = "aws"

// partitions maps the prefix of a Region's name to the Region's partition.
var partitions = map[string]string{
	"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "us-isof-": "aws-iso-f", "eu-isoe-": "aws-iso-e",
}

// PartitionOf returns the AWS partition of a Region, as in ARNs (AWS General
// Reference, "Amazon Resource Names").
func PartitionOf(region string) string {
	for prefix, name := range partitions {
		if strings.HasPrefix(region, prefix) {
			return name
		}
	}
	return commercial
}

// Partitions returns all partitions that [PartitionOf] can return.
func Partitions() []string {
	return append(slices.Sorted(maps.Values(partitions)), commercial)
}
