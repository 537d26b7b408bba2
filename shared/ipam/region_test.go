package ipam_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func TestIsRegion(t *testing.T) {
	for s, want := range map[string]bool{
		"us-east-1": true, "ap-northeast-3": true, "us-gov-west-1": true, "us-iso-east-1": true, "eusc-de-east-1": true, "ap-southeast-10": true,
		"": false, "us-east": false, "us-east-1a": false, "US-EAST-1": false, "us--1": false, "a-east-1": false, "us-east-1\n": false, "us-east-100": false, "../us-east-1": false,
	} {
		if got := ipam.IsRegion(s); got != want {
			t.Errorf("IsRegion(%q) = %v", s, got)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "aws", "us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc",
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "us-isof-south-1": "aws-iso-f", "eu-isoe-west-1": "aws-iso-e",
	} {
		if got := ipam.PartitionOf(region); got != want {
			t.Errorf("PartitionOf(%q) = %s, want %s", region, got, want)
		}
	}
}
