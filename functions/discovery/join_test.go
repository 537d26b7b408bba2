package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// callEvent is an event of a call in the home Region.
type callEvent struct{ account, name, request, response string }

// batch returns the batch in which the event source delivers events. The messages' ids are
// m-0, m-1 and so on.
func batch(t testing.TB, at time.Time, all ...callEvent) (e Event) {
	t.Helper()
	for i, c := range all {
		detail := fmt.Sprintf(`{"eventSource": "ec2.amazonaws.com", "eventTime": %q, "eventName": %q, "requestParameters": %s, "responseElements": %s}`, at.UTC().Format(time.RFC3339), c.name, c.request, c.response)
		b, err := json.Marshal(events.EventBridgeEvent{DetailType: discover.CallDetailType, Source: discover.CallSource, AccountID: c.account, Region: home, Detail: json.RawMessage(detail)})
		if err != nil {
			t.Fatal(err)
		}
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint("m-", i), Body: string(b)})
	}
	return e
}

// handle works on a batch and returns the ids of the messages that failed.
func (w *env) handle(e Event) (failed []string) {
	w.Helper()
	for _, f := range must(w.handler().Handle(w.Context(), e))(w).BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

// describes returns the number of calls of EC2 that were made since it was last called.
func (w *env) describes() (n int) {
	for _, c := range w.cloud.Made {
		if c.Service == "ec2" {
			n++
		}
	}
	w.cloud.Made = nil
	return n
}

func createVPC(account, id string) callEvent {
	return callEvent{account, "CreateVpc", `{}`, fmt.Sprintf(`{"vpc": {"vpcId": %q}}`, id)}
}

func dropVPC(account, id string) callEvent {
	return callEvent{account, "DeleteVpc", fmt.Sprintf(`{"vpcId": %q}`, id), `{}`}
}

// A burst of 1,000 events for one account costs it at most as many Describe calls as 10
// looks would. The events come in batches of 500, as the event source delivers them.
func TestBurst(t *testing.T) {
	each := func(n int, one func(i int) []callEvent) (all []callEvent) {
		for i := range n {
			all = append(all, one(i)...)
		}
		return all
	}
	run := func(i int) callEvent {
		return callEvent{memberA, "RunInstances", `{}`, fmt.Sprintf(`{"instancesSet": {"items": [{"instanceId": "i-%04d", "networkInterfaceSet": {"items": [{"networkInterfaceId": "eni-%04d"}]}}]}}`, i, i)}
	}
	runThree := func(i int) callEvent {
		var items []string
		for j := range 3 {
			items = append(items, fmt.Sprintf(`{"instanceId": "i-%04d", "networkInterfaceSet": {"items": [{"networkInterfaceId": "eni-%04d"}]}}`, i*3+j, i*3+j))
		}
		return callEvent{memberA, "RunInstances", `{}`, `{"instancesSet": {"items": [` + strings.Join(items, ", ") + `]}}`}
	}
	interfaces := func(n *discover.Seen, count int) {
		for i := range count {
			n.Interfaces = append(n.Interfaces, types.NetworkInterface{
				NetworkInterfaceId: ptr(fmt.Sprintf("eni-%04d", i)), SubnetId: ptr("subnet-011"), VpcId: ptr("vpc-011"), OwnerId: ptr(memberA),
				Attachment:         &types.NetworkInterfaceAttachment{InstanceId: ptr(fmt.Sprintf("i-%04d", i)), AttachmentId: ptr(fmt.Sprintf("eni-attach-%04d", i)), Status: types.AttachmentStatusAttached},
				PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{{PrivateIpAddress: ptr(fmt.Sprintf("10.1.%d.%d", 100+i/200, i%200)), Primary: ptr(true)}},
			})
		}
	}
	for _, c := range []struct {
		name   string
		change func(*discover.Seen)
		events []callEvent
		want   int // Describe calls
	}{
		{"instances that run", func(n *discover.Seen) { interfaces(n, 1000) }, each(1000, func(i int) []callEvent { return []callEvent{run(i)} }), 18},
		{"instances that are gone before their first event", nil, each(1000, func(i int) []callEvent { return []callEvent{run(i)} }), 48},
		{"VPCs that exist for a second", nil, each(500, func(i int) []callEvent {
			return []callEvent{createVPC(memberA, fmt.Sprint("vpc-", i)), dropVPC(memberA, fmt.Sprint("vpc-", i))}
		}), 8},
		{"VPCs whose deletions come in the next batch", nil, append(
			each(500, func(i int) []callEvent { return []callEvent{createVPC(memberA, fmt.Sprint("vpc-", i))} }),
			each(500, func(i int) []callEvent { return []callEvent{dropVPC(memberA, fmt.Sprint("vpc-", i))} })...), 30},
		{"calls that run three instances each", func(n *discover.Seen) { interfaces(n, 3000) }, each(1000, func(i int) []callEvent { return []callEvent{runThree(i)} }), 16},
		{"calls that ran three instances each, which are gone", nil, each(1000, func(i int) []callEvent { return []callEvent{runThree(i)} }), 10},
		{"interfaces that EC2 still shows in many subnets", func(n *discover.Seen) {
			for i := range 500 {
				n.VPCs = append(n.VPCs, vpc(fmt.Sprint("vpc-new", i), fmt.Sprintf("10.%d.%d.0/24", 90+i/250, i%250)))
				n.Subnets = append(n.Subnets, types.Subnet{SubnetId: ptr(fmt.Sprint("subnet-new", i)), VpcId: ptr(fmt.Sprint("vpc-new", i)), CidrBlock: ptr(fmt.Sprintf("10.%d.%d.0/25", 90+i/250, i%250))})
				n.Interfaces = append(n.Interfaces, types.NetworkInterface{
					NetworkInterfaceId: ptr(fmt.Sprint("eni-new", i)), SubnetId: ptr(fmt.Sprint("subnet-new", i)), VpcId: ptr(fmt.Sprint("vpc-new", i)), OwnerId: ptr(memberA),
					PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{{PrivateIpAddress: ptr(fmt.Sprintf("10.%d.%d.9", 90+i/250, i%250)), Primary: ptr(true)}},
				})
			}
		}, each(1000, func(i int) []callEvent {
			return []callEvent{{memberA, "DeleteNetworkInterface", fmt.Sprintf(`{"networkInterfaceId": "eni-new%d"}`, i%500), `{}`}}
		}), 48},
		{"all kinds", func(n *discover.Seen) {
			interfaces(n, 200)
			for i := range 200 {
				n.VPCs = append(n.VPCs, vpc(fmt.Sprint("vpc-new", i), fmt.Sprintf("10.99.%d.0/24", i)))
				n.Subnets = append(n.Subnets, types.Subnet{SubnetId: ptr(fmt.Sprint("subnet-new", i)), VpcId: ptr(fmt.Sprint("vpc-new", i)), CidrBlock: ptr(fmt.Sprintf("10.99.%d.0/25", i))})
			}
		}, each(200, func(i int) []callEvent {
			return []callEvent{
				createVPC(memberA, fmt.Sprint("vpc-new", i)),
				{memberA, "CreateSubnet", `{}`, fmt.Sprintf(`{"subnet": {"subnetId": "subnet-new%d"}}`, i)},
				run(i),
				{memberA, "CreateTags", `{"resourcesSet": {"items": [{"resourceId": "vpc-011"}, {"resourceId": "sg-1"}]}}`, `{}`},
				{memberA, "DisassociateAddress", `{"associationId": "eipassoc-011"}`, `{}`},
			}
		}), 14},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			w.run(t.Context(), memberA)
			if c.change != nil {
				c.change(w.cloud.Network(memberA, home))
			}
			w.later()
			w.describes()
			for some := range slices.Chunk(c.events, 500) {
				if failed := w.handle(batch(t, w.time(), some...)); len(failed) > 0 {
					t.Errorf("%d messages failed", len(failed))
				}
			}
			got := w.describes()
			w.agrees(memberA)
			for range 10 {
				w.run(t.Context(), memberA)
			}
			if looks := w.describes(); got != c.want || got > looks {
				t.Errorf("%d events cost %d Describe calls, want %d; 10 looks cost %d", len(c.events), got, c.want, looks)
			}
		})
	}
}

// An account that could not be read fails the messages of its own events and no others.
// An event that cannot be read fails alone.
func TestOneAccountOfABatchFails(t *testing.T) {
	w := newEnv(t)
	for _, account := range []string{memberA, memberB} {
		n := w.cloud.Network(account, home)
		n.VPCs = append(n.VPCs, vpc("vpc-new1", "10.99.0.0/16"), vpc("vpc-new2", "10.98.0.0/16"))
	}
	e := batch(t, w.time(), createVPC(memberB, "vpc-new1"), createVPC(memberA, "vpc-new1"), createVPC(memberB, "vpc-new2"), createVPC(memberA, "vpc-new2"), createVPC(memberA, "vpc-new2"))
	e.Records[3].Body = fmt.Sprintf(`{"detail-type": %q, "account": %q, "region": %q, "detail": 7}`, discover.CallDetailType, memberA, home)
	w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
		if c.Service == "ec2" && c.Account == memberB {
			return &discovertest.Fault{Status: 503, Code: "RequestLimitExceeded"}
		}
		return nil
	}
	if failed := w.handle(e); !slices.Equal(failed, []string{"m-0", "m-2", "m-3"}) {
		t.Errorf("%q failed", failed)
	}
	if got := w.describes(); got != 3 { // the VPCs and subnets of one account, and the throttled call of the other
		t.Errorf("%d Describe calls", got)
	}
	if w.found(memberA, "vpc-new1", "10.99.0.0/16") == nil || w.found(memberA, "vpc-new2", "10.98.0.0/16") == nil {
		t.Error("the VPCs of the other account are not known")
	}
	if !strings.Contains(w.logs.String(), `"events":2,`) && !strings.Contains(w.logs.String(), `"events":2}`) {
		t.Errorf("the record does not give the number of events: %s", &w.logs)
	}
}

// An event whose resource cannot be stored fails its own message. The others of the
// account and Region are stored, and the resources that they deleted are removed, except
// those whose CIDR overlaps one that cannot be stored.
func TestOneEventOfABatchCannotBeStored(t *testing.T) {
	for _, kind := range []string{"VPC", "subnet", "interface"} {
		t.Run(kind, func(t *testing.T) {
			w := newEnv(t)
			n := w.cloud.Network(memberA, home)
			n.VPCs = append(n.VPCs, vpc("vpc-old1", "10.97.0.0/24"), vpc("vpc-old2", "10.96.0.0/24"))
			w.run(t.Context(), memberA)
			w.later()
			n.VPCs = n.VPCs[:len(n.VPCs)-2]
			n.VPCs = append(n.VPCs, vpc("vpc-new1", "10.99.0.0/16"), vpc("vpc-new2", "10.98.0.0/16"), vpc("vpc-new3", "10.96.0.0/16"))
			for v, cidr := range map[string]string{"1": "10.99.0.0/24", "3": "10.96.0.0/24"} {
				n.Subnets = append(n.Subnets, types.Subnet{SubnetId: ptr("subnet-new" + v), VpcId: ptr("vpc-new" + v), CidrBlock: ptr(cidr)})
			}
			n.Interfaces = append(n.Interfaces, types.NetworkInterface{
				NetworkInterfaceId: ptr("eni-new3"), SubnetId: ptr("subnet-new3"), VpcId: ptr("vpc-new3"), OwnerId: ptr(memberA),
				Attachment:         &types.NetworkInterfaceAttachment{InstanceId: ptr("i-new3"), Status: types.AttachmentStatusAttached},
				PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{{PrivateIpAddress: ptr("10.96.0.9"), Primary: ptr(true)}},
			})
			poison := map[string]string{"VPC": "vpc-new3", "subnet": "subnet-new3", "interface": "eni-new3"}[kind]
			w.on = &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
				if c.Kind == tabletest.Transact && slices.ContainsFunc(c.Writes, func(write table.Write) bool { return strings.Contains(write.Key.SK, poison) }) {
					return &tabletest.Fault{Err: tabletest.ErrInjected}
				}
				return nil
			}}
			e := batch(t, w.time(), createVPC(memberA, "vpc-new1"), createVPC(memberA, "vpc-new3"), createVPC(memberA, "vpc-new2"), dropVPC(memberA, "vpc-old1"), dropVPC(memberA, "vpc-old2"),
				callEvent{memberA, "CreateSubnet", `{}`, `{"subnet": {"subnetId": "subnet-new3"}}`},
				callEvent{memberA, "CreateSubnet", `{}`, `{"subnet": {"subnetId": "subnet-new1"}}`},
				callEvent{memberA, "RunInstances", `{}`, `{"instancesSet": {"items": [{"instanceId": "i-new3"}]}}`})
			// A failed container fails the events of the resources in it. It overlaps the old VPC.
			want := map[string][]string{"VPC": {"m-1", "m-4", "m-5", "m-7"}, "subnet": {"m-4", "m-5", "m-7"}, "interface": {"m-7"}}[kind]
			if failed := w.handle(e); !slices.Equal(failed, want) {
				t.Errorf("%q failed, want %q: %s", failed, want, &w.logs)
			}
			if !strings.Contains(w.logs.String(), poison) || !strings.Contains(w.logs.String(), `"failed_events":`) {
				t.Errorf("the log does not name %s: %s", poison, &w.logs)
			}
			for id, cidr := range map[string]string{"vpc-new1": "10.99.0.0/16", "vpc-new2": "10.98.0.0/16", "subnet-new1": "10.99.0.0/24"} {
				if w.found(memberA, id, cidr) == nil {
					t.Errorf("%s is not known", id)
				}
			}
			if w.found(memberA, "vpc-old1", "10.97.0.0/24") != nil {
				t.Error("the deleted VPC is known")
			}
			if known := w.found(memberA, "vpc-old2", "10.96.0.0/24") != nil; known != (kind != "interface") {
				t.Errorf("the deleted VPC inside the one that cannot be stored is known: %t", known)
			}
			w.on = w.table
			if failed := w.handle(e); len(failed) > 0 {
				t.Errorf("then %q failed", failed)
			}
			w.agrees(memberA)
		})
	}
}

// After five resources that cannot be stored, all others of the account and Region are
// left for later, and their messages fail, too.
func TestNoEventOfABatchCanBeStored(t *testing.T) {
	w := newEnv(t)
	n := w.cloud.Network(memberA, home)
	n.VPCs = append(n.VPCs, vpc("vpc-old", "10.97.0.0/24"))
	w.run(t.Context(), memberA)
	w.later()
	n.VPCs = n.VPCs[:len(n.VPCs)-1]
	all := []callEvent{dropVPC(memberA, "vpc-old")}
	var want []string
	for i := range 20 {
		n.VPCs = append(n.VPCs, vpc(fmt.Sprint("vpc-", i), fmt.Sprintf("10.99.%d.0/24", i)))
		all = append(all, createVPC(memberA, fmt.Sprint("vpc-", i)))
	}
	for i := range all {
		want = append(want, fmt.Sprint("m-", i))
	}
	var tried atomic.Int32
	w.on = &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
		created := func(w table.Write) bool {
			return strings.Contains(w.Key.SK, "vpc-") && !strings.Contains(w.Key.SK, "vpc-old")
		}
		if c.Kind == tabletest.Transact && slices.ContainsFunc(c.Writes, created) {
			tried.Add(1)
			return &tabletest.Fault{Err: tabletest.ErrInjected}
		}
		return nil
	}}
	if failed := w.handle(batch(t, w.time(), all...)); !slices.Equal(failed, want) {
		t.Errorf("%q failed", failed)
	}
	if n := tried.Load(); n > 41 {
		t.Errorf("%d transactions", n)
	}
	if w.found(memberA, "vpc-old", "10.97.0.0/24") == nil {
		t.Error("the deleted VPC was removed beside so many failures")
	}
}

// The events of a resource may come in any order in a batch, and twice. EC2's present
// state decides, and discovery does not wait for a creation that a deletion ended.
func TestOrderInABatch(t *testing.T) {
	create, remove := createVPC(memberA, "vpc-new"), dropVPC(memberA, "vpc-new")
	for name, all := range map[string][]callEvent{
		"in order":           {create, remove},
		"reversed":           {remove, create},
		"doubled":            {create, remove, create, remove},
		"reversed, doubled":  {remove, remove, create, create},
		"the deletion alone": {remove},
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				w := newEnv(t)
				n := w.cloud.Network(memberA, home)
				before := slices.Clone(n.VPCs)
				if known {
					n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
				}
				w.run(t.Context(), memberA)
				n.VPCs = before
				if failed := w.handle(batch(t, w.time(), all...)); len(failed) > 0 || len(w.slept) > 0 {
					t.Errorf("%q failed, waited %v", failed, w.slept)
				}
				if w.found(memberA, "vpc-new", "10.99.0.0/16") != nil {
					t.Error("the deleted VPC is known")
				}
				w.agrees(memberA)
			})
		}
	}
	t.Run("the instance is terminated", func(t *testing.T) {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		w.later()
		n := w.cloud.Network(memberA, home)
		n.Interfaces, n.Subnets[0].AvailableIpAddressCount = n.Interfaces[1:], ptr[int32](250)
		failed := w.handle(batch(t, w.time(),
			callEvent{memberA, "TerminateInstances", `{"instancesSet": {"items": [{"instanceId": "i-011"}]}}`, `{}`},
			callEvent{memberA, "RunInstances", `{}`, `{"instancesSet": {"items": [{"instanceId": "i-011", "networkInterfaceSet": {"items": [{"networkInterfaceId": "eni-011"}]}}]}}`}))
		if len(failed) > 0 || len(w.slept) > 0 || w.found(memberA, "eni-011", "10.1.0.4/32") != nil {
			t.Errorf("%q failed, waited %v, known: %v", failed, w.slept, w.found(memberA, "eni-011", "10.1.0.4/32"))
		}
		w.agrees(memberA)
	})
	t.Run("some are shown late", func(t *testing.T) {
		w := newEnv(t)
		n := w.cloud.Network(memberA, home)
		n.VPCs = append(n.VPCs, vpc("vpc-new1", "10.99.0.0/16"))
		w.onSleep = func() {
			if w.found(memberA, "vpc-new1", "10.99.0.0/16") == nil {
				t.Error("the VPC that EC2 shows is not known before the wait")
			}
			n.VPCs = append(n.VPCs, vpc("vpc-new2", "10.98.0.0/16"))
		}
		failed := w.handle(batch(t, w.time(), createVPC(memberA, "vpc-new2"), createVPC(memberA, "vpc-new1")))
		if len(failed) > 0 || !slices.Equal(w.slept, []time.Duration{500 * time.Millisecond}) || w.found(memberA, "vpc-new2", "10.98.0.0/16") == nil {
			t.Errorf("%q failed, waited %v", failed, w.slept)
		}
	})
}

// Of the associations and disassociations of a CIDR in a batch, the last call decides,
// in any order of the events. In the same second the disassociation is the last.
func TestOrderOfAssociationsInABatch(t *testing.T) {
	const cidr = "10.98.0.0/24"
	for _, c := range []struct {
		name             string
		associated, gone time.Duration // the times of the calls, since the VPC was seen
		free             bool          // while EC2 does not show the CIDR
		waits            int
	}{
		{"associated, then disassociated", 2 * time.Second, 5 * time.Second, true, 0},
		{"in the same second", 5 * time.Second, 5 * time.Second, true, 0},
		{"disassociated, then associated", 5 * time.Second, 2 * time.Second, false, 3},
	} {
		for _, reversed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reversed %t", c.name, reversed), func(t *testing.T) {
				w := newEnv(t)
				v := &w.cloud.Network(memberA, home).VPCs[0]
				without := slices.Clone(v.CidrBlockAssociationSet)
				v.CidrBlockAssociationSet = append(slices.Clone(without), types.VpcCidrBlockAssociation{CidrBlock: ptr(cidr), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}})
				w.run(t.Context(), memberA)
				v.CidrBlockAssociationSet = without
				seen := w.time()
				w.mu.Lock()
				w.now = w.now.Add(10 * time.Second)
				w.mu.Unlock()
				answer := `{"vpcId": "vpc-011", "cidrBlockAssociation": {"cidrBlock": "` + cidr + `"}}`
				e := batch(t, seen.Add(c.associated), callEvent{memberA, "AssociateVpcCidrBlock", `{"vpcId": "vpc-011"}`, answer})
				e.Records = append(e.Records, batch(t, seen.Add(c.gone), callEvent{memberA, "DisassociateVpcCidrBlock", `{}`, answer}).Records...)
				e.Records[1].MessageId = "m-1"
				if reversed {
					slices.Reverse(e.Records)
				}
				if failed := w.handle(e); len(failed) > 0 || len(w.slept) != c.waits {
					t.Errorf("%q failed, waited %v", failed, w.slept)
				}
				if free := w.found(memberA, "vpc-011", netip.MustParsePrefix(cidr).String()) == nil; free != c.free {
					t.Errorf("it is forgotten: %t", free)
				}
			})
		}
	}
}
