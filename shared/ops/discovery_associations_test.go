package ops_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

func TestDiscoveryAssociationsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// AssociateIpamResourceDiscovery
		{"discovery unknown: associate", &ec2.AssociateIpamResourceDiscoveryInput{IpamId: f.manager.IpamId, IpamResourceDiscoveryId: noDiscovery}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"a default discovery with another IPAM", &ec2.AssociateIpamResourceDiscoveryInput{IpamId: f.manager.IpamId, IpamResourceDiscoveryId: f.anothers}, "OperationNotPermitted", []string{*f.anothers, "CreateIpamResourceDiscovery"}},
		{"associated already", &ec2.AssociateIpamResourceDiscoveryInput{IpamId: f.manager.IpamId, IpamResourceDiscoveryId: f.watcher}, "InvalidParameterValue", []string{*f.watcher, *f.manager.IpamId, "already"}},
		// DisassociateIpamResourceDiscovery
		{"association unknown: end", &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: noAssociation}, "InvalidIpamResourceDiscoveryAssociationId.NotFound", []string{*noAssociation}},
		{"the default association ended", &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: f.standardAssociation}, "OperationNotPermitted", []string{*f.standardAssociation, *f.manager.IpamId, "goes with its IPAM"}},
		{"a malformed association", &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: f.standard}, "InvalidIpamResourceDiscoveryAssociationId.Malformed", []string{"IpamResourceDiscoveryAssociationId"}},
		// DescribeIpamResourceDiscoveryAssociations
		{"association unknown: describe", &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*noAssociation}}, "InvalidIpamResourceDiscoveryAssociationId.NotFound", []string{*noAssociation, "DescribeIpamResourceDiscoveryAssociations"}},
		{"ids and a page: associations", &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*f.standardAssociation}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamResourceDiscoveryAssociationIds"}},
	})
}
