package ipam

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func liveAt(t ResourceType, since int64, change ...func(*ResourceCIDR)) *ResourceCIDR {
	r := &ResourceCIDR{
		Resource: Resource{Type: t, ID: "r", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: "111122223333", Region: "us-east-1", Name: "n", VPC: "vpc-1"},
		Since:    since,
	}
	for _, c := range change {
		c(r)
	}
	return r
}

func status(c Compliance, o Overlap) func(*ResourceCIDR) {
	return func(r *ResourceCIDR) { r.Status.Compliance, r.Status.Overlap = c, o }
}

func attached(instance, owner string) func(*ResourceCIDR) {
	return func(r *ResourceCIDR) { r.Instance, r.InstanceOwner = instance, owner }
}

func named(name string) func(*ResourceCIDR) { return func(r *ResourceCIDR) { r.Name = name } }

func TestRecords(t *testing.T) {
	base := HistoryRecord{Owner: "111122223333", Region: "us-east-1", ID: "r", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Name: "n", VPC: "vpc-1", Start: 7}
	with := func(change func(*HistoryRecord)) HistoryRecord {
		r := base
		change(&r)
		return r
	}
	for _, c := range []struct {
		name string
		row  *ResourceCIDR
		want []HistoryRecord
	}{
		{"a VPC has statuses", liveAt(ResourceVPC, 7, status(Noncompliant, Overlapping)), []HistoryRecord{with(func(r *HistoryRecord) {
			r.Type, r.Compliance, r.Overlap = HistoryVPC, Noncompliant, Overlapping
		})}},
		{"an Elastic IP too", liveAt(ResourceEIP, 7, status(Compliant, Nonoverlapping)), []HistoryRecord{with(func(r *HistoryRecord) {
			r.Type, r.Compliance, r.Overlap = HistoryEIP, Compliant, Nonoverlapping
		})}},
		{"a subnet has none", liveAt(ResourceSubnet, 7, status("", Overlapping)), []HistoryRecord{with(func(r *HistoryRecord) { r.Type = HistorySubnet })}},
		{"a public pool has no history", liveAt(ResourcePublicIPv4Pool, 7), nil},
		{"an interface on its own", liveAt(ResourceInterface, 7), []HistoryRecord{with(func(r *HistoryRecord) { r.Type = HistoryInterface })}},
		{"an instance's interface", liveAt(ResourceInterface, 7, attached("i-1", "111122223333")), []HistoryRecord{
			with(func(r *HistoryRecord) { r.Type = HistoryInterface }),
			with(func(r *HistoryRecord) { r.Type, r.ID, r.Interface, r.Name = HistoryInstance, "i-1", "r", "" }),
		}},
		{"an interface that a service uses", liveAt(ResourceInterface, 7, attached("i-1", "amazon-elb")), []HistoryRecord{
			with(func(r *HistoryRecord) { r.Type = HistoryInterface }),
			with(func(r *HistoryRecord) {
				r.Type, r.ID, r.Interface, r.Name, r.Owner = HistoryInstance, "", "r", "", AmazonOwner
			}),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.row.Records(), c.want, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

// A change of a row writes records with their start, their end if they have
// one, and their name.
func TestRecorded(t *testing.T) {
	type written struct {
		Type       HistoryType
		Start, End int64
		Name       string
		Compliance Compliance
	}
	vpc := func(since int64, change ...func(*ResourceCIDR)) *ResourceCIDR {
		return liveAt(ResourceVPC, since, change...)
	}
	subnet := func(since int64, change ...func(*ResourceCIDR)) *ResourceCIDR {
		return liveAt(ResourceSubnet, since, change...)
	}
	evaluated, broken := status(Compliant, Nonoverlapping), status(Noncompliant, Nonoverlapping)
	for _, c := range []struct {
		name          string
		before, after *ResourceCIDR
		want          []written
	}{
		{"a VPC is found and not checked yet", nil, vpc(5), nil},
		{"its first check", vpc(5), vpc(5, evaluated), []written{{HistoryVPC, 5, 0, "n", Compliant}}},
		{"it is renamed before", vpc(5), vpc(6, named("m")), []written{{HistoryVPC, 5, 6, "n", ""}}},
		{"it goes before", vpc(5), nil, []written{{HistoryVPC, 5, 9, "n", ""}}},
		{"found and checked in one write", nil, vpc(5, evaluated), []written{{HistoryVPC, 5, 0, "n", Compliant}}},
		{"another status", vpc(5, evaluated), vpc(8, broken), []written{{HistoryVPC, 5, 8, "n", Compliant}, {HistoryVPC, 8, 0, "n", Noncompliant}}},
		{"a change that history does not record", vpc(5, evaluated), vpc(5, evaluated, func(r *ResourceCIDR) { r.Tags = Tags{"a": "b"} }), nil},
		{"another name", vpc(5, evaluated), vpc(8, evaluated, named("m")), []written{{HistoryVPC, 5, 8, "n", Compliant}, {HistoryVPC, 8, 0, "m", Compliant}}},
		{"it goes", vpc(5, evaluated), nil, []written{{HistoryVPC, 5, 9, "n", Compliant}}},
		{"it goes, by a clock that is behind", vpc(9_500, evaluated), nil, []written{{HistoryVPC, 9_500, 9_500, "n", Compliant}}},
		{"a subnet is found", nil, subnet(5), []written{{HistorySubnet, 5, 0, "n", ""}}},
		{"a subnet's check", subnet(5), subnet(5, status("", Nonoverlapping)), nil},
		{"a public pool", nil, liveAt(ResourcePublicIPv4Pool, 5, evaluated), nil},
		{
			"an interface gets an instance", liveAt(ResourceInterface, 5), liveAt(ResourceInterface, 8, attached("i-1", "111122223333")),
			[]written{{HistoryInterface, 5, 8, "n", ""}, {HistoryInterface, 8, 0, "n", ""}, {HistoryInstance, 8, 0, "", ""}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []written
			for _, r := range Recorded(c.before, c.after, 9) {
				got = append(got, written{r.Type, r.Start, r.End, r.Name, r.Compliance})
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
			if c.before != nil && c.after != nil {
				if same := c.after.RecordedAs(c.before); same != (c.before.Since == c.after.Since) {
					t.Errorf("recorded as before: %t; the row's Since says %t", same, !same)
				}
			}
		})
	}
}
