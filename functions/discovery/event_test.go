package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// found returns the stored record of a resource's CIDR, nil if there is none.
func (w *env) found(account, id, cidr string) *ipam.Found {
	w.Helper()
	all, err := w.store().FoundOf(w.Context(), w.discovery.ID, home, account, discover.IDType(id), id)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range all {
		if f.CIDR == netip.MustParsePrefix(cidr) {
			return f
		}
	}
	return nil
}

func vpc(id, cidr string) types.Vpc { return types.Vpc{VpcId: &id, CidrBlock: &cidr} }

// An event of each call stores the resources that the call touched and those that contain
// them, and reads nothing else of the account.
func TestEvents(t *testing.T) {
	const none = `{}`
	for _, c := range []struct {
		name, request, response string
		change                  func(*discover.Seen)
		check                   func(*env)
	}{
		{"CreateVpc", none, `{"vpc": {"vpcId": "vpc-new"}}`,
			func(n *discover.Seen) { n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16")) }, nil},
		{"CreateDefaultVpc", none, `{"vpc": {"vpcId": "vpc-new"}}`,
			func(n *discover.Seen) {
				n.VPCs = append(n.VPCs, vpc("vpc-new", "172.31.0.0/16"))
				n.Subnets = append(n.Subnets, types.Subnet{SubnetId: ptr("subnet-new"), VpcId: ptr("vpc-new"), CidrBlock: ptr("172.31.0.0/20")})
			}, nil},
		{"DeleteVpc", `{"vpcId": "vpc-012"}`, none,
			func(n *discover.Seen) { n.VPCs = slices.Delete(n.VPCs, 1, 2) }, nil},
		{"AssociateVpcCidrBlock", `{"AssociateVpcCidrBlockRequest": {"VpcId": "vpc-012"}}`, none,
			func(n *discover.Seen) {
				n.VPCs[1].CidrBlockAssociationSet = append(n.VPCs[1].CidrBlockAssociationSet, types.VpcCidrBlockAssociation{CidrBlock: ptr("10.98.0.0/24"), CidrBlockState: &types.VpcCidrBlockState{State: "associating"}})
			}, nil},
		{"DisassociateVpcCidrBlock", none, `{"DisassociateVpcCidrBlockResponse": {"vpcId": "vpc-011"}}`,
			func(n *discover.Seen) {
				n.VPCs[0].CidrBlockAssociationSet[1].CidrBlockState = &types.VpcCidrBlockState{State: "disassociating"}
			},
			func(w *env) {
				if w.found(memberA, "vpc-011", "100.64.1.0/24") != nil || w.found(memberA, "vpc-011", "10.1.0.0/16") == nil {
					w.Error("the wrong CIDR is known")
				}
			}},
		{"CreateSubnet", none, `{"subnet": {"subnetId": "subnet-new"}}`,
			func(n *discover.Seen) {
				n.Subnets = append(n.Subnets, types.Subnet{SubnetId: ptr("subnet-new"), VpcId: ptr("vpc-012"), CidrBlock: ptr("10.1.8.0/21")})
			},
			func(w *env) {
				if f := w.found(memberA, "vpc-012", "10.1.0.0/20"); *f.Usage != 0.5 {
					w.Errorf("the VPC is used to %v", *f.Usage)
				}
			}},
		{"DeleteSubnet", `{"subnetId": "subnet-012"}`, none,
			func(n *discover.Seen) { n.Subnets, n.Interfaces = slices.Delete(n.Subnets, 1, 2), n.Interfaces[:2] },
			func(w *env) {
				if f := w.found(memberA, "vpc-011", "10.1.0.0/16"); *f.Usage != 1.0/256 {
					w.Errorf("the VPC is used to %v", *f.Usage)
				}
				if w.found(memberA, "subnet-012", "10.1.1.0/24") != nil {
					w.Error("the subnet is known")
				}
			}},
		{"AllocateAddress", none, `{"allocationId": "eipalloc-new"}`,
			func(n *discover.Seen) {
				n.Addresses = append(n.Addresses, types.Address{AllocationId: ptr("eipalloc-new"), PublicIp: ptr("198.51.100.2"), PublicIpv4Pool: ptr("ipv4pool-ec2-011")})
				n.Pools[0].PoolAddressRanges[0].AvailableAddressCount = ptr[int32](6)
			},
			func(w *env) {
				if f := w.found(memberA, "ipv4pool-ec2-011", "198.51.100.0/29"); *f.Usage != 0.5 {
					w.Errorf("the pool is used to %v", *f.Usage)
				}
			}},
		{"ReleaseAddress", `{"allocationId": "eipalloc-013"}`, none,
			func(n *discover.Seen) {
				n.Addresses = slices.Delete(n.Addresses, 2, 3)
				n.Pools[0].PoolAddressRanges[0].AvailableAddressCount = ptr[int32](12)
			},
			func(w *env) {
				if f := w.found(memberA, "ipv4pool-ec2-011", "198.51.100.0/29"); *f.Usage != 0 {
					w.Errorf("the pool is used to %v", *f.Usage)
				}
			}},
		{"DisassociateAddress", `{"associationId": "eipassoc-011"}`, none,
			func(n *discover.Seen) {
				n.Addresses[0].AssociationId, n.Addresses[0].NetworkInterfaceId, n.Addresses[0].InstanceId = nil, nil, nil
				n.Interfaces[0].PrivateIpAddresses[0].Association = &types.NetworkInterfaceAssociation{PublicIp: ptr("192.0.2.200")}
			},
			func(w *env) {
				if f := w.found(memberA, "eni-011", "10.1.0.4/32"); f.Public == nil {
					w.Error("the interface has no public address of its own")
				}
				if f := w.found(memberA, "eipalloc-011", "192.0.2.1/32"); f.Public.Associated || f.Public.Interface != "" {
					w.Errorf("the address is %+v", f.Public)
				}
			}},
		{"TerminateInstances", `{"instancesSet": {"items": [{"instanceId": "i-011"}]}}`, none,
			func(n *discover.Seen) {
				n.Interfaces = n.Interfaces[1:]
				n.Subnets[0].AvailableIpAddressCount = ptr[int32](250)
			},
			func(w *env) {
				if w.found(memberA, "eni-011", "10.1.0.4/32") != nil || *w.found(memberA, "subnet-011", "10.1.0.0/24").Usage != 6.0/256 {
					w.Error("the instance's address is known")
				}
				if !strings.Contains(w.logs.String(), `"seen":5,`) { // of the subnet and its VPC
					w.Errorf("more was read: %s", &w.logs)
				}
			}},
		{"DetachNetworkInterface", `{"attachmentId": "eni-attach-011"}`, none,
			func(n *discover.Seen) {
				n.Interfaces[0].Attachment.Status = "detaching"
				n.Interfaces[0].Status = "available"
			},
			func(w *env) {
				if f := w.found(memberA, "eni-011", "10.1.0.5/32"); f.Attached {
					w.Error("the interface is attached")
				}
			}},
		{"DeleteTags", `{"resourcesSet": {"items": [{"resourceId": "sg-1"}, {"resourceId": "vpc-011"}]}}`, none,
			func(n *discover.Seen) { n.VPCs[0].Tags = nil },
			func(w *env) {
				if f := w.found(memberA, "vpc-011", "10.1.0.0/16"); f.Name != "" || f.Tags != nil {
					w.Errorf("the VPC is %+v", f.Resource)
				}
			}},
		{"DeletePublicIpv4Pool", `{"DeletePublicIpv4PoolRequest": {"PoolId": "ipv4pool-ec2-011"}}`, none,
			func(n *discover.Seen) { n.Pools = nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			w.run(t.Context(), memberA)
			if !strings.HasPrefix(c.name, "Delete") && c.name != "ReleaseAddress" { // these calls name the resource that is gone
				w.later()
			}
			c.change(w.cloud.Network(memberA, home))
			w.cloud.Made = nil
			if err := w.event(memberA, c.name, c.request, c.response); err != nil {
				t.Fatal(err)
			}
			if len(w.slept) > 0 {
				t.Errorf("waited %v though EC2 shows the call's effect", w.slept)
			}
			if c.name != "DeleteSubnet" { // it removes an interface too, which has its own event
				w.agrees(memberA)
			}
			if c.check != nil {
				c.check(w)
			}
			log := w.logs.String()
			w.logs.Reset()
			if err := w.event(memberA, c.name, c.request, c.response); err != nil || !strings.Contains(w.logs.String(), `"changed":0,"gone":0`) {
				t.Errorf("the repeated event changes something: %v: %s\nafter: %s", err, &w.logs, log)
			}
			w.finish()
			w.agrees()
		})
	}
}

// A large account starts and terminates thousands of instances. The event of a new
// instance reads the resources that it names and no other interface. EC2 does not return
// the interfaces of a terminated instance, so its event also reads at most a few of the
// table's answers. The schedule's runs find the interfaces behind those.
func TestInstancesInALargeAccount(t *testing.T) {
	w := newEnv(t)
	n := w.cloud.Network(memberA, home)
	instance := func(i int) string { return fmt.Sprintf("i-%04d", i) }
	for i := range 400 {
		n.Interfaces = append(n.Interfaces, types.NetworkInterface{
			NetworkInterfaceId: ptr(fmt.Sprintf("eni-%04d", i)), SubnetId: ptr("subnet-011"), VpcId: ptr("vpc-011"), OwnerId: ptr(memberA),
			Attachment:         &types.NetworkInterfaceAttachment{InstanceId: ptr(instance(i)), AttachmentId: ptr(fmt.Sprintf("eni-attach-%04d", i)), Status: types.AttachmentStatusAttached},
			PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{{PrivateIpAddress: ptr(fmt.Sprintf("10.1.%d.%d", 100+i/200, i%200)), Primary: ptr(true)}},
		})
	}
	w.run(t.Context(), memberA)
	counter := &tabletest.Counter{Table: w.table}
	w.on = counter
	cost := func(name, request, response string) tabletest.Cost {
		t.Helper()
		w.later()
		counter.Take()
		if err := w.event(memberA, name, request, response); err != nil {
			t.Fatal(err)
		}
		c := counter.Take()
		t.Logf("%s: %+v", name, c)
		return c
	}
	terminate := func(i int) tabletest.Cost {
		n.Interfaces = slices.DeleteFunc(n.Interfaces, func(e types.NetworkInterface) bool {
			return e.Attachment != nil && aws.ToString(e.Attachment.InstanceId) == instance(i)
		})
		return cost("TerminateInstances", `{"instancesSet": {"items": [{"instanceId": "`+instance(i)+`"}]}}`, `{}`)
	}
	address := func(i int) *ipam.Found {
		return w.found(memberA, fmt.Sprintf("eni-%04d", i), fmt.Sprintf("10.1.%d.%d/32", 100+i/200, i%200))
	}
	if c := cost("RunInstances", `{}`, `{"instancesSet": {"items": [{"instanceId": "`+instance(399)+`", "networkInterfaceSet": {"items": [{"networkInterfaceId": "eni-0399"}]}}]}}`); c.Rows > 20 {
		t.Errorf("a new instance costs %+v", c)
	}
	if terminate(398); address(398) != nil {
		t.Error("the address of an instance that is gone is known")
	}
	w.table.PageBytes = 10 << 10 // instead of DynamoDB's 1 MB
	if c := terminate(0); address(0) != nil || c.Rows > 150 {
		t.Errorf("an instance that is gone costs %+v", c)
	}
	if c := terminate(95); address(95) != nil || c.Rows > 150 {
		t.Errorf("an instance whose interface is on the fourth page costs %+v", c)
	}
	if c := terminate(397); address(397) == nil || c.Rows > 150 {
		t.Errorf("an instance whose interface is on a late page costs %+v", c)
	}
	w.run(t.Context(), memberA)
	w.agrees(memberA)
}

// The space of a deleted VPC can be allocated as soon as the event is handled.
func TestDeletedSpaceIsFree(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	deleteVPC(w.cloud.Network(memberA, home))
	allocate := store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: w.pool, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("10.1.128.0/17")}, May: func(*ipam.Pool) error { return nil }}
	if _, err := w.store().Allocate(t.Context(), allocate); err == nil {
		t.Fatal("live space was allocated")
	}
	if err := w.event(memberA, "DeleteVpc", `{"vpcId": "vpc-011"}`, `{"_return": true}`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store().Allocate(t.Context(), allocate); err != nil {
		t.Fatal(err)
	}
}

// A run sees a CIDR with a VPC, and a later call disassociates it. The CIDR is free at once.
// The VPC's other CIDRs stay. If the run came after the call, the CIDR stays too: it may be
// associated again.
func TestDisassociatedSpaceIsFree(t *testing.T) {
	const id, cidr = "vpc-011", "10.98.0.0/24"
	for _, c := range []struct {
		name  string
		since time.Duration // from the run to the call
		shown int           // how many reads after the call still show the CIDR
		free  bool
	}{
		{"at once", time.Second, 0, true},
		{"shown for a while", time.Second, 2, true},
		{"shown", time.Second, 10, false},
		{"by a call before", -time.Second, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			n := w.cloud.Network(memberA, home)
			v := &n.VPCs[0]
			with := func(state types.VpcCidrBlockStateCode) {
				v.CidrBlockAssociationSet = append(slices.Clone(v.CidrBlockAssociationSet), types.VpcCidrBlockAssociation{CidrBlock: ptr(cidr), CidrBlockState: &types.VpcCidrBlockState{State: state}})
			}
			without := slices.Clone(v.CidrBlockAssociationSet)
			with(types.VpcCidrBlockStateCodeAssociated)
			w.run(t.Context(), memberA)
			at := w.time().Add(c.since)
			gone := func() {
				v.CidrBlockAssociationSet = without
				with(types.VpcCidrBlockStateCodeDisassociating)
			}
			if c.shown == 0 {
				gone()
			}
			w.onSleep = func() {
				if len(w.slept) == c.shown {
					gone()
				}
			}
			w.mu.Lock()
			w.now = w.now.Add(10 * time.Second) // until the event arrives
			w.mu.Unlock()
			err := w.eventAt(at, memberA, "DisassociateVpcCidrBlock", `{"DisassociateVpcCidrBlockRequest": {"AssociationId": "vpc-cidr-assoc-1"}}`,
				`{"DisassociateVpcCidrBlockResponse": {"vpcId": "vpc-011", "cidrBlockAssociation": {"cidrBlock": "10.98.0.0/24", "cidrBlockState": {"state": "disassociating"}}}}`)
			if err != nil {
				t.Fatal(err)
			}
			if free := w.found(memberA, id, cidr) == nil; free != c.free {
				t.Errorf("the CIDR is forgotten: %t", free)
			}
			if w.found(memberA, id, "10.1.0.0/16") == nil || w.found(memberA, id, "100.64.1.0/24") == nil {
				t.Error("the VPC's other CIDRs are forgotten")
			}
			_, err = w.store().Allocate(t.Context(), store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: w.pool, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: func(*ipam.Pool) error { return nil }})
			if (err == nil) != c.free {
				t.Errorf("an allocation of the CIDR: %v", err)
			}
		})
	}
	t.Run("another CIDR, not shown", func(t *testing.T) {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		at := w.time().Add(time.Second)
		v := &w.cloud.Network(memberA, home).VPCs[0]
		v.CidrBlockAssociationSet = v.CidrBlockAssociationSet[:1]
		if err := w.eventAt(at, memberA, "DisassociateVpcCidrBlock", `{}`, `{"vpcId": "vpc-011", "cidrBlockAssociation": {"cidrBlock": "10.98.0.0/24"}}`); err != nil {
			t.Fatal(err)
		}
		if w.found(memberA, id, "100.64.1.0/24") == nil {
			t.Error("a CIDR is forgotten that the call does not name")
		}
	})
}

func TestEventsOfAllRecordedCallsAreDone(t *testing.T) {
	files, err := filepath.Glob("../../shared/discover/testdata/cloudtrail/*.json")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d events, %v", len(files), err)
	}
	w := newEnv(t)
	w.run(t.Context(), memberA)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e Event
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		if _, err := w.handler().Handle(t.Context(), e); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	w.agrees(memberA)
}

// EC2 may show a call's effect later than CloudTrail reports the call.
func TestEventsWaitForEC2(t *testing.T) {
	create := func(w *env) error {
		return w.event(memberA, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-new"}}`)
	}
	t.Run("created, shown late", func(t *testing.T) {
		w := newEnv(t)
		w.onSleep = func() {
			if len(w.slept) == 2 {
				n := w.cloud.Network(memberA, home)
				n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
			}
		}
		if err := create(w); err != nil || len(w.slept) != 2 || w.found(memberA, "vpc-new", "10.99.0.0/16") == nil {
			t.Errorf("%v, waited %v", err, w.slept)
		}
	})
	t.Run("created, not shown", func(t *testing.T) {
		w := newEnv(t)
		if err := create(w); err != nil || !slices.Equal(w.slept, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}) {
			t.Errorf("%v, waited %v", err, w.slept)
		}
		w.agrees()
	})
	t.Run("created and known, not shown", func(t *testing.T) {
		w := newEnv(t)
		n := w.cloud.Network(memberA, home)
		n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
		w.run(t.Context(), memberA)
		n.VPCs = n.VPCs[:len(n.VPCs)-1]
		if err := create(w); err != nil || w.found(memberA, "vpc-new", "10.99.0.0/16") == nil {
			t.Errorf("%v: the created VPC was forgotten", err)
		}
	})
	t.Run("associated, shown late", func(t *testing.T) {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		w.onSleep = func() {
			n := w.cloud.Network(memberA, home)
			n.VPCs[1].CidrBlockAssociationSet = append(n.VPCs[1].CidrBlockAssociationSet, types.VpcCidrBlockAssociation{
				CidrBlock: ptr("10.99.0.0/16"), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociating},
			})
		}
		err := w.event(memberA, "AssociateVpcCidrBlock", `{"AssociateVpcCidrBlockRequest": {"VpcId": "vpc-012", "CidrBlock": "10.99.0.0/16"}}`,
			`{"AssociateVpcCidrBlockResponse": {"vpcId": "vpc-012", "cidrBlockAssociation": {"cidrBlock": "10.99.0.0/16", "cidrBlockState": {"state": "associating"}}}}`)
		if err != nil || len(w.slept) != 1 || w.found(memberA, "vpc-012", "10.99.0.0/16") == nil {
			t.Errorf("%v, waited %v", err, w.slept)
		}
		w.agrees(memberA)
	})
	t.Run("associated and disassociated, not shown", func(t *testing.T) {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		err := w.event(memberA, "AssociateSubnetCidrBlock", `{"subnetId": "subnet-011"}`,
			`{"subnetId": "subnet-011", "ipv6CidrBlockAssociation": {"ipv6CidrBlock": "2001:db8:99::/64", "ipv6CidrBlockState": {"state": "associating"}}}`)
		if err != nil || !slices.Equal(w.slept, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}) {
			t.Errorf("%v, waited %v", err, w.slept)
		}
		w.agrees(memberA)
	})
	t.Run("deleted, shown for a while", func(t *testing.T) {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		w.onSleep = func() { w.cloud.Network(memberA, home).VPCs = w.cloud.Network(memberA, home).VPCs[:1] }
		if err := w.event(memberA, "DeleteVpc", `{"vpcId": "vpc-012"}`, `{}`); err != nil || len(w.slept) != 1 || w.found(memberA, "vpc-012", "10.1.0.0/20") != nil {
			t.Errorf("%v, waited %v", err, w.slept)
		}
	})
	t.Run("deleted, shown", func(t *testing.T) {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		if err := w.event(memberA, "DeleteVpc", `{"vpcId": "vpc-012"}`, `{}`); err != nil || !slices.Equal(w.slept, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}) {
			t.Errorf("%v, waited %v", err, w.slept)
		}
		w.agrees(memberA)
	})
}

// EC2 may leave a resource out of an answer a moment after it returned it. Neither a run
// nor an event forgets such a resource, and no pool allocates its space, until it is
// missing for longer than EC2 lags.
func TestNewResourceIsNotForgotten(t *testing.T) {
	const id, cidr = "vpc-new", "10.99.0.0/16"
	for name, look := range map[string]func(*env) bool{
		"a run": func(w *env) bool {
			return w.runNow(w.Context(), memberA)
		},
		"an event of it": func(w *env) bool {
			return w.event(memberA, "CreateTags", `{"resourcesSet": {"items": [{"resourceId": "vpc-new"}]}}`, `{}`) == nil
		},
		"its own event, again": func(w *env) bool {
			return w.event(memberA, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-new"}}`) == nil
		},
		"the deletion of its subnet": func(w *env) bool {
			return w.event(memberA, "DeleteSubnet", `{"subnetId": "subnet-new"}`, `{}`) == nil && w.found(memberA, "subnet-new", "10.99.0.0/24") == nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			n := w.cloud.Network(memberA, home)
			before := *n
			n.VPCs = append(slices.Clone(n.VPCs), vpc(id, cidr))
			n.Subnets = append(slices.Clone(n.Subnets), types.Subnet{SubnetId: ptr("subnet-new"), VpcId: ptr(id), CidrBlock: ptr("10.99.0.0/24")})
			w.run(t.Context(), memberA)
			*n = before // an answer that does not have the VPC yet
			if !look(w) {
				t.Fatal("not done")
			}
			if w.found(memberA, id, cidr) == nil {
				t.Fatal("the VPC is forgotten")
			}
			allocate := store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: w.pool, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: func(*ipam.Pool) error { return nil }}
			if _, err := w.store().Allocate(t.Context(), allocate); err == nil {
				t.Error("the VPC's space was allocated")
			}
			w.agrees()
			w.run(t.Context(), memberA)
			w.agrees(memberA)
		})
	}
}

// The events of an account that joined the organisation after its accounts were listed are
// not ignored.
func TestEventsOfAnAccountThatJoined(t *testing.T) {
	w := newEnv(t)
	h := w.handler()
	const joined = "666677778888"
	create := func() {
		t.Helper()
		detail := `{"eventSource": "ec2.amazonaws.com", "eventTime": "2027-01-15T08:00:00Z", "eventName": "CreateVpc", "awsRegion": "us-east-1", "recipientAccountId": "999999999999", "readOnly": false, "requestParameters": {}, "responseElements": {"vpc": {"vpcId": "vpc-new"}}}`
		if _, err := h.Handle(t.Context(), Event{EventBridgeEvent: events.EventBridgeEvent{
			DetailType: discover.CallDetailType, Source: discover.CallSource, AccountID: joined, Region: home, Detail: json.RawMessage(detail),
		}}); err != nil {
			t.Fatal(err)
		}
	}
	create()
	w.cloud.Members = append(w.cloud.Members, discovertest.Member{ID: joined, Paths: []string{"o-a1b2c3d4e5/r-f6g7/" + joined + "/"}})
	w.cloud.Roles[joined] = discover.ReaderRole
	n := w.cloud.Network(joined, home)
	n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
	w.now = w.now.Add(10 * time.Second)
	create()
	w.agrees(joined)
	if len(w.known(joined)) == 0 {
		t.Errorf("the VPC is not known: %s", &w.logs)
	}
}

// The account of an event is the envelope's, never the record's. The records of these
// tests name another account.
func TestEventsOfOthersAreIgnored(t *testing.T) {
	w := newEnv(t)
	s := w.store()
	if _, err := s.ModifyDiscovery(t.Context(), w.discovery.ID, ipam.ActModify, func(d *ipam.Discovery) error {
		d.Exclusions = []string{"o-a1b2c3d4e5/r-f6g7/ou-f6g7-bbbbbbbb/"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, account := range map[string]string{"of no organisation": "999999999999", "excluded": memberB} {
		w.logs.Reset()
		if err := w.event(account, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-021"}}`); err != nil || !strings.Contains(w.logs.String(), "no discovery watches") {
			t.Errorf("%s: %v: %s", name, err, &w.logs)
		}
	}
	for _, m := range w.cloud.Made {
		if m.Service != "organizations" {
			t.Errorf("the call %s was made", m)
		}
	}
	if len(w.known(memberB)) > 0 {
		t.Errorf("%q is known", w.known(memberB))
	}
}

// A member account's own discovery and the organisation's both see its events.
func TestEventsReachEveryDiscovery(t *testing.T) {
	w := newEnv(t)
	own := must(w.store().CreateIPAM(t.Context(), store.Token{Account: memberA, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: memberA}, OperatingRegions: []string{home}}))(t)
	unseen := must(w.store().CreateDiscovery(t.Context(), store.Token{Account: memberA, Operation: "CreateIpamResourceDiscovery"}, ipam.Discovery{Meta: ipam.Meta{Owner: memberA}, OperatingRegions: []string{home}}))(t)
	if err := w.event(memberA, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-011"}}`); err != nil {
		t.Fatal(err)
	}
	if found, err := w.store().FoundOf(t.Context(), unseen.ID, home, memberA, ipam.ResourceVPC, ""); err != nil || len(found) > 0 {
		t.Errorf("the discovery that no IPAM is associated with knows %d CIDRs, %v", len(found), err)
	}
	for _, id := range []string{w.discovery.ID, own.Discovery} {
		found, err := w.store().FoundOf(t.Context(), id, home, memberA, ipam.ResourceVPC, "vpc-011")
		if err != nil || len(found) != 3 {
			t.Errorf("%s knows %d CIDRs of the VPC, %v", id, len(found), err)
		}
	}
	w.agrees()
}

func TestEventsOfUnreadableAccounts(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		fault   *discovertest.Fault
		again   bool // the event must come again
	}{
		"no role":                         {"", nil, false},
		"refused":                         {"ec2", &discovertest.Fault{Status: 403, Code: "UnauthorizedOperation"}, false},
		"throttled":                       {"ec2", &discovertest.Fault{Status: 503, Code: "RequestLimitExceeded"}, true},
		"the role is throttled":           {"sts", &discovertest.Fault{Status: 400, Code: "Throttling"}, true},
		"the accounts are not listed":     {"organizations", &discovertest.Fault{Status: 400, Code: "AccessDeniedException"}, true},
		"listing the accounts, throttled": {"organizations", &discovertest.Fault{Status: 400, Code: "TooManyRequestsException"}, true},
	} {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		if c.service == "organizations" { // the event lists the accounts only if the table has no row of the account, or a departed one
			p := w.progress(memberA)
			p.Departure = ipam.DepartedAccount
			must(0, w.store().SaveDiscoveredAccount(t.Context(), p))(t)
		}
		deleteVPC(w.cloud.Network(memberA, home))
		known := w.known(memberA)
		if c.fault == nil {
			delete(w.cloud.Roles, memberA)
		} else {
			w.cloud.Fault = func(m discovertest.Call) *discovertest.Fault {
				if m.Service == c.service {
					return c.fault
				}
				return nil
			}
		}
		if err := w.event(memberA, "DeleteVpc", `{"vpcId": "vpc-011"}`, `{}`); (err != nil) != c.again {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(w.known(memberA), known); diff != "" {
			t.Errorf("%s: -known +before:\n%s", name, diff)
		}
		w.cloud.Fault, w.cloud.Roles[memberA] = nil, discover.ReaderRole
		w.run(t.Context(), memberA)
		w.agrees(memberA)
	}
}

// Many functions may start at once, each with one event. For an account that was read
// before, they do not ask Organizations: it would throttle them, and its list takes longer
// than the event may.
func TestEventsOfKnownAccountsAskTheTable(t *testing.T) {
	w := newEnv(t)
	const unit = "ou-f6g7-aaaaaaaa"
	e := w.message(memberA, home)
	e.Records[0].Body = strings.Replace(e.Records[0].Body, "}", `,"ou":"`+unit+`"}`, 1)
	must(w.handler().Handle(t.Context(), e))(t)
	w.cloud.Members, w.cloud.Made = nil, nil
	n := w.cloud.Network(memberA, home)
	n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
	must(0, w.event(memberA, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-new"}}`))(t)
	for _, m := range w.cloud.Made {
		if m.Service == "organizations" {
			t.Errorf("the call %s was made", m)
		}
	}
	if p := w.progress(memberA); p.OU != unit {
		t.Errorf("the account is at %+v", p)
	}
	w.agrees(memberA)
}

// A network changes at random. Its events, and the messages of runs, come late, twice, in
// any order or never. A last run makes the stored resources equal to the network.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			w := newEnv(t)
			var events []func()
			report := func(name, request, response string) {
				for range r.IntN(3) {
					events = append(events, func() {
						if err := w.event(memberA, name, request, response); err != nil {
							t.Error(err)
						}
					})
				}
			}
			n := w.cloud.Network(memberA, home)
			for step := range 25 {
				id, at := fmt.Sprintf("vpc-r%d", step), r.IntN(8)
				switch r.IntN(3) {
				case 0:
					n.VPCs = append(n.VPCs, vpc(id, fmt.Sprintf("10.1.%d.0/%d", 16*at, 20+r.IntN(2))))
					report("CreateVpc", `{}`, fmt.Sprintf(`{"vpc": {"vpcId": %q}}`, id))
				case 1:
					if i := r.IntN(len(n.VPCs)); strings.HasPrefix(*n.VPCs[i].VpcId, "vpc-r") {
						report("DeleteVpc", fmt.Sprintf(`{"vpcId": %q}`, *n.VPCs[i].VpcId), `{}`)
						n.VPCs = slices.Delete(n.VPCs, i, i+1)
					}
				default:
					i := r.IntN(len(n.VPCs))
					name := fmt.Sprint("step ", step)
					n.VPCs[i].Tags = []types.Tag{{Key: ptr("Name"), Value: &name}}
					report("CreateTags", fmt.Sprintf(`{"resourcesSet": {"items": [{"resourceId": %q}]}}`, *n.VPCs[i].VpcId), `{}`)
				}
				for len(events) > 0 && r.IntN(3) > 0 {
					i := r.IntN(len(events))
					events[i]()
					events = slices.Delete(events, i, i+1)
				}
				if r.IntN(8) == 0 && !w.run(t.Context(), memberA) {
					t.Fatal("the message is not done")
				}
				w.agrees()
			}
			for _, e := range events {
				e()
			}
			w.run(t.Context(), memberA)
			w.agrees(memberA)
			w.logs.Reset()
			if w.run(t.Context(), memberA); !strings.Contains(w.logs.String(), `"changed":0,"gone":0`) {
				t.Errorf("the repeated run changes something: %s", &w.logs)
			}
		})
	}
}

// An event that reads before a run and writes after it does not undo the run's changes.
func TestEventThatIsOvertakenByARun(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	n := w.cloud.Network(memberA, home)
	tags := func(name string) { n.VPCs[0].Tags = []types.Tag{{Key: ptr("Name"), Value: &name}} }
	tags("one")
	answers := 0
	w.cloud.Answer = func(c discovertest.Call) {
		if answers++; answers == 3 { // AssumeRole and the VPC with its subnets: all that the event reads
			w.cloud.Answer = nil
			tags("two")
			w.run(t.Context(), memberA)
		}
	}
	if err := w.event(memberA, "CreateTags", `{"resourcesSet": {"items": [{"resourceId": "vpc-011"}]}}`, `{}`); err != nil {
		t.Fatal(err)
	}
	if f := w.found(memberA, "vpc-011", "10.1.0.0/16"); f.Name != "two" || answers != 3 {
		t.Errorf("the VPC is called %q after %d answers", f.Name, answers)
	}
	w.agrees(memberA)
}

// A run that reads before an event and writes after it does not undo the event's changes.
func TestRunThatIsOvertakenByAnEvent(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	n := w.cloud.Network(memberA, home)
	tags := func(name string) { n.VPCs[0].Tags = []types.Tag{{Key: ptr("Name"), Value: &name}} }
	tags("one")
	w.cloud.Answer = func(c discovertest.Call) {
		if c.Name != "DescribeNetworkInterfaces" { // the last call of a run
			return
		}
		w.cloud.Answer = nil
		tags("two")
		n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
		for _, err := range []error{
			w.event(memberA, "CreateTags", `{"resourcesSet": {"items": [{"resourceId": "vpc-011"}]}}`, `{}`),
			w.event(memberA, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-new"}}`),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	if !w.run(t.Context(), memberA) {
		t.Fatal("the message is not done")
	}
	if f := w.found(memberA, "vpc-011", "10.1.0.0/16"); f.Name != "two" {
		t.Errorf("the VPC is called %q", f.Name)
	}
	w.agrees(memberA)
}
