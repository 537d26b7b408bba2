package ipam

import (
	"regexp"
	"strings"
)

var regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$`)

// IsRegion reports whether s has the form of a Region's name, such as
// ap-northeast-1 or eusc-de-east-1. Which Regions there are is not known here.
func IsRegion(s string) bool { return regionName.MatchString(s) }

// PartitionOf returns the partition of AWS that a Region is in, as ARNs have it
// (AWS General Reference, "Amazon Resource Names").
func PartitionOf(region string) string {
	for prefix, name := range map[string]string{
		"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "us-isof-": "aws-iso-f", "eu-isoe-": "aws-iso-e",
	} {
		if strings.HasPrefix(region, prefix) {
			return name
		}
	}
	return "aws"
}
