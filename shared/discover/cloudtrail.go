package discover

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Effect is the effect of a call on the resources that it names.
type Effect uint8

// The effects.
const (
	Changes Effect = iota
	Creates
	Deletes
	Associates // associates CIDRs with the resources
	Disassociates
)

// Call is a successful EC2 call that changed a watched resource.
type Call struct {
	Name     string
	At       time.Time // rounded down to the second; zero if the record has no time
	Effect   Effect
	Selected Selection      // the resources that it changed
	CIDRs    []netip.Prefix // the CIDRs that it associated or disassociated
	Ended    []string       // the ids of the resources that it deleted, and of the associations that it ended
}

// calls lists the watched calls, with their effects and the places of the ids
// of the resources in their events. request and response are paths into
// requestParameters and responseElements; the path of a list is the path of
// each element. all is a selection that the call changes without an id in the
// event.
//
// The shapes are the requests and answers of the EC2 API in CloudTrail's form
// (Amazon EC2 API Reference; AWS CloudTrail User Guide, "CloudTrail record
// contents"). Names begin in lower case, and a list is an object with items.
var calls = map[string]struct {
	effect   Effect
	request  []string
	response []string
	all      Selection
}{
	"CreateVpc":                {effect: Creates, response: []string{"vpc.vpcId"}},
	"CreateDefaultVpc":         {effect: Creates, response: []string{"vpc.vpcId"}, all: Selection{Contents: true}},
	"DeleteVpc":                {effect: Deletes, request: []string{"vpcId"}},
	"AssociateVpcCidrBlock":    {effect: Associates, request: []string{"vpcId"}},
	"DisassociateVpcCidrBlock": {effect: Disassociates, response: []string{"vpcId"}},

	"CreateSubnet":                {effect: Creates, response: []string{"subnet.subnetId"}},
	"CreateDefaultSubnet":         {effect: Creates, response: []string{"subnet.subnetId"}},
	"DeleteSubnet":                {effect: Deletes, request: []string{"subnetId"}},
	"AssociateSubnetCidrBlock":    {effect: Associates, request: []string{"subnetId"}},
	"DisassociateSubnetCidrBlock": {effect: Disassociates, response: []string{"subnetId"}},

	"AllocateAddress":     {effect: Creates, response: []string{"allocationId"}},
	"MoveAddressToVpc":    {effect: Creates, response: []string{"allocationId"}},
	"ReleaseAddress":      {effect: Deletes, request: []string{"allocationId"}},
	"AssociateAddress":    {request: []string{"allocationId", "networkInterfaceId", "instanceId"}, all: Selection{AllAddresses: true}}, // may name only the address
	"DisassociateAddress": {all: Selection{AllAddresses: true}},                                                                        // names only the association

	"CreatePublicIpv4Pool":          {response: []string{"poolId"}}, // has no CIDR yet
	"DeletePublicIpv4Pool":          {effect: Deletes, request: []string{"poolId"}},
	"ProvisionPublicIpv4PoolCidr":   {request: []string{"poolId"}},
	"DeprovisionPublicIpv4PoolCidr": {request: []string{"poolId"}},

	"CreateNetworkInterface":     {effect: Creates, response: []string{"networkInterface.networkInterfaceId"}},
	"DeleteNetworkInterface":     {effect: Deletes, request: []string{"networkInterfaceId"}},
	"AttachNetworkInterface":     {request: []string{"networkInterfaceId"}},
	"DetachNetworkInterface":     {request: []string{"attachmentId"}},
	"AssignPrivateIpAddresses":   {request: []string{"networkInterfaceId"}},
	"UnassignPrivateIpAddresses": {request: []string{"networkInterfaceId"}},
	"AssignIpv6Addresses":        {request: []string{"networkInterfaceId"}},
	"UnassignIpv6Addresses":      {request: []string{"networkInterfaceId"}},
	"RunInstances":               {effect: Creates, response: []string{"instancesSet.items.instanceId", "instancesSet.items.networkInterfaceSet.items.networkInterfaceId"}},
	"TerminateInstances":         {effect: Deletes, request: []string{"instancesSet.items.instanceId"}},

	"CreateTags": {request: []string{"resourcesSet.items.resourceId"}},
	"DeleteTags": {request: []string{"resourcesSet.items.resourceId"}},
}

// associated are the paths into responseElements of the CIDRs that a call
// associates or disassociates.
var associated = []string{"cidrBlockAssociation.cidrBlock", "ipv6CidrBlockAssociation.ipv6CidrBlock"}

// CallSource and CallDetailType are the source and the detail type that
// EventBridge gives to EC2's calls (Amazon EventBridge User Guide, "AWS service
// events delivered via AWS CloudTrail").
const (
	CallSource     = "aws.ec2"
	CallDetailType = "AWS API Call via CloudTrail"
)

// CallNames returns the names of the calls that [ParseCall] knows, sorted, for
// the eventName of a rule's pattern.
func CallNames() []string { return slices.Sorted(maps.Keys(calls)) }

// TagCallNames returns the names of the calls that tag resources of any type, sorted.
// CallNames has them, too. A rule takes them for the ids of [IDPrefixes] only.
func TagCallNames() []string { return []string{"CreateTags", "DeleteTags"} }

// ParseCall reads the detail of an event of [CallDetailType]. It returns nil
// and a reason for a call that changes no watched resource: a failed call or
// dry run, a read, an unknown call, and a call on other objects. The account
// and Region are in the envelope, which EC2's caller cannot write.
func ParseCall(detail []byte) (c *Call, ignored string, err error) {
	var d struct {
		EventSource       string
		EventName         string
		EventTime         string
		ErrorCode         string
		ReadOnly          bool
		RequestParameters any
		ResponseElements  any
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return nil, "", fmt.Errorf("read a CloudTrail record: %w", err)
	}
	call, known := calls[d.EventName]
	switch {
	case d.EventSource != "ec2.amazonaws.com":
		return nil, "it is not of EC2", nil
	case d.ErrorCode != "":
		return nil, "the call failed", nil
	case d.ReadOnly:
		return nil, "the call reads", nil
	case !known:
		return nil, "the call is not watched", nil
	}
	c = &Call{Name: d.EventName, Effect: call.effect, Selected: call.all}
	c.At, _ = time.Parse(time.RFC3339, d.EventTime)
	for _, path := range call.request {
		c.Selected.addAll(find(unwrap(d.RequestParameters, d.EventName+"Request"), strings.Split(path, ".")))
	}
	for _, path := range call.response {
		c.Selected.addAll(find(unwrap(d.ResponseElements, d.EventName+"Response"), strings.Split(path, ".")))
	}
	if call.effect == Associates || call.effect == Disassociates {
		for _, path := range associated {
			for _, text := range find(unwrap(d.ResponseElements, d.EventName+"Response"), strings.Split(path, ".")) {
				if p, ok := cidr(&text); ok {
					c.CIDRs = append(c.CIDRs, p)
				}
			}
		}
	}
	switch call.effect {
	case Deletes:
		c.Ended = slices.Concat(c.Selected.VPCs, c.Selected.Subnets)
	case Disassociates:
		c.Ended = find(unwrap(d.RequestParameters, d.EventName+"Request"), []string{"associationId"})
	default: // ends nothing
	}
	if c.Selected.empty() {
		return nil, "it names no watched resource", nil
	}
	return c, "", nil
}

// unwrap removes the element, named after the message, that CloudTrail puts
// around the parameters of EC2's newer calls.
func unwrap(v any, name string) any {
	if inner := member(v, name); inner != nil {
		return inner
	}
	return v
}

// member returns a member of an object. It also finds a name whose first letter
// is in upper case, as inside the element that unwrap removes.
func member(v any, name string) any {
	o, _ := v.(map[string]any)
	if value, ok := o[name]; ok {
		return value
	}
	for key, value := range o {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

// find returns the texts at a path, from all elements of the lists on it.
func find(v any, path []string) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, element := range v {
			all = append(all, find(element, path)...)
		}
		return all
	case string:
		if len(path) == 0 {
			return []string{v}
		}
	case map[string]any:
		if len(path) > 0 {
			return find(member(v, path[0]), path[1:])
		}
	}
	return nil
}

// addAll adds the ids of watched types and drops the others.
func (s *Selection) addAll(ids []string) {
	for _, id := range ids {
		s.Add(id)
	}
}

// Add adds the id of a resource, an instance or an attachment, and ignores any
// other id.
func (s *Selection) Add(id string) {
	switch IDType(id) {
	case ipam.ResourceVPC:
		s.VPCs = add(s.VPCs, id)
	case ipam.ResourceSubnet:
		s.Subnets = add(s.Subnets, id)
	case ipam.ResourceEIP:
		s.Addresses = add(s.Addresses, id)
	case ipam.ResourcePublicIPv4Pool:
		s.Pools = add(s.Pools, id)
	case ipam.ResourceInterface:
		s.Interfaces = add(s.Interfaces, id)
	default:
		switch {
		case strings.HasPrefix(id, "i-"):
			s.Instances = add(s.Instances, id)
		case strings.HasPrefix(id, "eni-attach-"):
			s.Attachments = add(s.Attachments, id)
		}
	}
}

// Merge adds all that another selection names.
func (s *Selection) Merge(o Selection) {
	for _, ids := range [][]string{o.VPCs, o.Subnets, o.Addresses, o.Pools, o.Interfaces, o.Instances, o.Attachments} {
		s.addAll(ids)
	}
	s.AllAddresses = s.AllAddresses || o.AllAddresses
	s.Contents = s.Contents || o.Contents
}

// Size returns the number of ids.
func (s *Selection) Size() int {
	return len(s.VPCs) + len(s.Subnets) + len(s.Addresses) + len(s.Pools) + len(s.Interfaces) + len(s.Instances) + len(s.Attachments)
}

func (s *Selection) empty() bool { return s.Size() == 0 && !s.AllAddresses }
