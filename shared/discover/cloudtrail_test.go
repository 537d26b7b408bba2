package discover_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
)

// detail returns the CloudTrail record in a recorded event.
func detail(t *testing.T, file string) json.RawMessage {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Source     string
		DetailType string `json:"detail-type"`
		Detail     json.RawMessage
	}
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if e.Source != discover.CallSource || e.DetailType != discover.CallDetailType {
		t.Fatalf("%s is an event of %s, %q", file, e.Source, e.DetailType)
	}
	return e.Detail
}

const (
	vpcID, subnetID      = "vpc-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"
	eniID, eipID, poolID = "eni-0a1b2c3d4e5f60003", "eipalloc-0a1b2c3d4e5f60004", "ipv4pool-ec2-0a1b2c3d4e5f60005"
	instanceID, attachID = "i-0a1b2c3d4e5f60006", "eni-attach-0a1b2c3d4e5f60007"
)

// selected returns the expected result for each call's event.
func selected() map[string]discover.Call {
	of := func(e discover.Effect, s discover.Selection) discover.Call {
		return discover.Call{Effect: e, Selected: s}
	}
	vpc, subnet := discover.Selection{VPCs: []string{vpcID}}, discover.Selection{Subnets: []string{subnetID}}
	eip, pool, eni := discover.Selection{Addresses: []string{eipID}}, discover.Selection{Pools: []string{poolID}}, discover.Selection{Interfaces: []string{eniID}}
	tags := discover.Selection{VPCs: []string{vpcID}, Subnets: []string{subnetID}, Addresses: []string{eipID}}
	return map[string]discover.Call{
		"CreateVpc":                     of(discover.Creates, vpc),
		"CreateDefaultVpc":              of(discover.Creates, discover.Selection{VPCs: []string{vpcID}, Contents: true}),
		"DeleteVpc":                     {Effect: discover.Deletes, Selected: vpc, Ended: vpc.VPCs},
		"AssociateVpcCidrBlock":         {Effect: discover.Associates, Selected: vpc, CIDRs: []netip.Prefix{netip.MustParsePrefix("100.64.20.0/24")}},
		"DisassociateVpcCidrBlock":      {Effect: discover.Disassociates, Selected: vpc, CIDRs: []netip.Prefix{netip.MustParsePrefix("100.64.20.0/24")}, Ended: []string{"vpc-cidr-assoc-0a1b2c3d4e5f6000c"}},
		"CreateSubnet":                  of(discover.Creates, subnet),
		"CreateDefaultSubnet":           of(discover.Creates, subnet),
		"DeleteSubnet":                  {Effect: discover.Deletes, Selected: subnet, Ended: subnet.Subnets},
		"AssociateSubnetCidrBlock":      {Effect: discover.Associates, Selected: subnet, CIDRs: []netip.Prefix{netip.MustParsePrefix("2001:db8:20:1::/64")}},
		"DisassociateSubnetCidrBlock":   {Effect: discover.Disassociates, Selected: subnet, CIDRs: []netip.Prefix{netip.MustParsePrefix("2001:db8:20:1::/64")}, Ended: []string{"subnet-cidr-assoc-0a1b2c3d4e5f6000d"}},
		"AllocateAddress":               of(discover.Creates, eip),
		"MoveAddressToVpc":              of(discover.Creates, eip),
		"ReleaseAddress":                of(discover.Deletes, eip),
		"AssociateAddress":              of(discover.Changes, discover.Selection{Addresses: []string{eipID}, Interfaces: []string{eniID}, AllAddresses: true}),
		"DisassociateAddress":           of(discover.Changes, discover.Selection{AllAddresses: true}),
		"CreatePublicIpv4Pool":          of(discover.Changes, pool),
		"DeletePublicIpv4Pool":          of(discover.Deletes, pool),
		"ProvisionPublicIpv4PoolCidr":   of(discover.Changes, pool),
		"DeprovisionPublicIpv4PoolCidr": of(discover.Changes, pool),
		"CreateNetworkInterface":        of(discover.Creates, eni),
		"DeleteNetworkInterface":        of(discover.Deletes, eni),
		"AttachNetworkInterface":        of(discover.Changes, eni),
		"DetachNetworkInterface":        of(discover.Changes, discover.Selection{Attachments: []string{attachID}}),
		"AssignPrivateIpAddresses":      of(discover.Changes, eni),
		"UnassignPrivateIpAddresses":    of(discover.Changes, eni),
		"AssignIpv6Addresses":           of(discover.Changes, eni),
		"UnassignIpv6Addresses":         of(discover.Changes, eni),
		"RunInstances":                  of(discover.Creates, discover.Selection{Interfaces: []string{eniID}, Instances: []string{instanceID}}),
		"TerminateInstances":            of(discover.Deletes, discover.Selection{Instances: []string{instanceID}}),
		"CreateTags":                    of(discover.Changes, tags),
		"DeleteTags":                    of(discover.Changes, tags),
	}
}

func TestParseCallReadsNamedResources(t *testing.T) {
	all := selected()
	if diff := cmp.Diff(discover.CallNames(), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("calls and recorded events, -calls +events:\n%s", diff)
	}
	for name, want := range all {
		want.Name, want.At = name, time.Date(2026, 11, 2, 9, 14, 27, 0, time.UTC)
		got, ignored, err := discover.ParseCall(detail(t, "testdata/cloudtrail/"+name+".json"))
		if err != nil || ignored != "" {
			t.Errorf("%s: %q, %v", name, ignored, err)
		} else if diff := cmp.Diff(got, &want, resources); diff != "" {
			t.Errorf("%s, -got +want:\n%s", name, diff)
		}
	}
	got, _, err := discover.ParseCall(detail(t, "testdata/cloudtrail/association-by-address.json"))
	if err != nil || !cmp.Equal(got.Selected, discover.Selection{Instances: []string{instanceID}, AllAddresses: true}) {
		t.Errorf("an association by address: %+v, %v", got, err)
	}
}

func TestParseCallIgnores(t *testing.T) {
	for file, want := range map[string]string{"failed": "failed", "dry-run": "failed", "read": "reads", "unknown": "not watched", "other-tags": "no watched resource"} {
		got, ignored, err := discover.ParseCall(detail(t, "testdata/cloudtrail/"+file+".json"))
		if got != nil || err != nil || !strings.Contains(ignored, want) {
			t.Errorf("%s: %+v, %q, %v", file, got, ignored, err)
		}
	}
	for text, want := range map[string]string{
		`{"eventSource": "rds.amazonaws.com", "eventName": "CreateVpc"}`:                                                 "not of EC2",
		`{"eventSource": "ec2.amazonaws.com", "eventName": "CreateVpc", "responseElements": null}`:                       "no watched resource",
		`{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVpc", "requestParameters": {"vpcId": {"vpcId": "x"}}}`: "no watched resource",
		`{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVpc", "requestParameters": {"vpcId": "rtb-1"}}`:        "no watched resource",
		`{}`: "not of EC2",
	} {
		if got, ignored, err := discover.ParseCall([]byte(text)); got != nil || err != nil || !strings.Contains(ignored, want) {
			t.Errorf("%s: %+v, %q, %v", text, got, ignored, err)
		}
	}
	if _, _, err := discover.ParseCall([]byte(`{"eventName": 1}`)); err == nil {
		t.Error("a record of another form is accepted")
	}
}

// The selection of the table of calls does not grow with the ids of an event.
func TestParseCallDoesNotWriteToItsTable(t *testing.T) {
	record := detail(t, "testdata/cloudtrail/AssociateAddress.json")
	first, _, _ := discover.ParseCall(record)
	second, _, _ := discover.ParseCall(record)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseCall(f *testing.F) {
	files, err := filepath.Glob("testdata/cloudtrail/*.json")
	if err != nil || len(files) < 30 {
		f.Fatalf("%d events, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var e struct{ Detail json.RawMessage }
		if err := json.Unmarshal(b, &e); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(e.Detail))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ignored, err := discover.ParseCall(b)
		if n := btoi(c != nil) + btoi(ignored != "") + btoi(err != nil); n != 1 {
			t.Errorf("%+v, %q, %v", c, ignored, err)
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
