package ipam

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$`)

// IsRegion reports whether s has the form of a Region's name, such as
// ap-northeast-1 or eusc-de-east-1. Which Regions there are is not known here.
func IsRegion(s string) bool { return regionName.MatchString(s) }

// commercial is the partition of all Regions but those of partitions.
const commercial = "aws"

// partitions are the others, by what the names of their Regions begin with.
var partitions = map[string]string{
	"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "us-isof-": "aws-iso-f", "eu-isoe-": "aws-iso-e",
}

// PartitionOf returns the partition of AWS that a Region is in, as ARNs have it
// (AWS General Reference, "Amazon Resource Names").
func PartitionOf(region string) string {
	for prefix, name := range partitions {
		if strings.HasPrefix(region, prefix) {
			return name
		}
	}
	return commercial
}

// Partitions returns all that PartitionOf knows.
func Partitions() []string {
	return append(slices.Sorted(maps.Values(partitions)), commercial)
}
