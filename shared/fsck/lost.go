package fsck

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Loss is a difference between a table as it was, and the table that was restored from
// its backup.
type Loss struct {
	How         How               `json:"how"`
	Kind        string            `json:"kind"`               // one of the kinds below
	ID          string            `json:"id,omitempty"`       // none for the grants and the administrator
	Owner       string            `json:"owner,omitempty"`    // account
	Pool        string            `json:"pool,omitempty"`     // of a pool's CIDR and of an allocation
	CIDR        string            `json:"cidr,omitempty"`     // the same
	Type        string            `json:"type,omitempty"`     // of an allocation: custom, vpc, …
	Resource    string            `json:"resource,omitempty"` // of an allocation: id of its resource
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Differences []Difference      `json:"differences,omitempty"` // of a thing that both tables have
}

// How says in which of the two tables a thing is.
type How string

// The differences.
const (
	Missing   How = "missing"   // the old table has it, the restored one has not
	Different How = "different" // both have it, and not the same
	Returned  How = "returned"  // the restored table has it, the old one has it no more
)

// The kinds of things that Lost compares.
const (
	KindIPAM          = "ipam"
	KindScope         = "scope"
	KindPool          = "pool"
	KindDiscovery     = "resource-discovery"
	KindAssociation   = "resource-discovery-association"
	KindResolver      = "prefix-list-resolver"
	KindCIDR          = "pool-cidr"
	KindAllocation    = "allocation"
	KindGrants        = "grants"
	KindAdministrator = "administrator"
)

// Difference is a member that is not the same in both tables. The values are JSON.
type Difference struct {
	Member   string `json:"member"`
	Before   string `json:"before"`
	Restored string `json:"restored"`
}

func (l Loss) String() string {
	parts := []string{fmt.Sprintf("%s: %s", l.How, strings.TrimSpace(l.Kind+" "+l.ID))}
	if l.CIDR != "" {
		parts = append(parts, strings.TrimSpace(l.Type+" "+l.CIDR)+" of "+l.Pool)
	}
	if l.Resource != "" {
		parts = append(parts, "resource "+l.Resource)
	}
	if l.Owner != "" {
		parts = append(parts, "account "+l.Owner)
	}
	if l.Description != "" {
		parts = append(parts, "description "+strconv.Quote(l.Description))
	}
	for _, key := range slices.Sorted(maps.Keys(l.Tags)) {
		parts = append(parts, "tag "+strconv.Quote(key)+" "+strconv.Quote(l.Tags[key]))
	}
	for _, d := range l.Differences {
		parts = append(parts, fmt.Sprintf("%s was %s and is %s", d.Member, d.Before, d.Restored))
	}
	return strings.Join(parts, ", ")
}

// Lost compares a table as it was with the table that was restored from its backup. It
// returns the objects, CIDRs of pools and allocations that are not the same: parents
// before the things in them, and at the end those that are returned. Of an object it
// compares the settings, and not counts and revisions. An object that was being deleted
// is not lost.
//
// It does not compare data that only follows from others: free blocks, resources that
// discovery finds, statuses, history, and answers to tokens.
//
// Nothing should write to the tables while their items are read.
func Lost(before, restored iter.Seq[map[string]types.AttributeValue]) []Loss {
	old, now := belongings(before), belongings(restored)
	var all []*belonging
	for k, b := range old {
		switch same := now[k]; {
		case same == nil && b.members["State"] != "": // it is being deleted
		case same == nil:
			b.How = Missing
			all = append(all, b)
		default:
			b.How = Different
			if b.Differences = differences(b.members, same.members); len(b.Differences) > 0 {
				all = append(all, b)
			}
		}
	}
	for k, b := range now {
		if old[k] == nil {
			b.How = Returned
			all = append(all, b)
		}
	}
	depths := map[string]int{}
	for _, m := range []map[belongingKey]*belonging{now, old} {
		for k, b := range m {
			if k.kind == KindPool {
				depths[k.id] = b.depth
			}
		}
	}
	for _, b := range all {
		if b.Pool != "" {
			b.depth = depths[b.Pool]
		}
	}
	slices.SortFunc(all, func(a, b *belonging) int {
		return cmp.Or(
			first(a.How != Returned, b.How != Returned), cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.depth, b.depth), first(a.Kind != KindAllocation, b.Kind != KindAllocation),
			strings.Compare(a.Pool, b.Pool), a.cidr.Compare(b.cidr), strings.Compare(a.ID, b.ID),
		)
	})
	lost := make([]Loss, len(all))
	for i, b := range all {
		lost[i] = b.Loss
	}
	return lost
}

// first orders true before false.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// rank orders the kinds. The CIDRs and allocations of all pools have one rank, in which
// the depth of their pools counts: a pool's CIDR may be inside an allocation of the pool
// above it.
func rank(b *belonging) int {
	if b.Pool != "" {
		return len(kindRank)
	}
	return slices.Index(kindRank, b.Kind)
}

var kindRank = []string{KindGrants, KindAdministrator, KindIPAM, KindScope, KindDiscovery, KindAssociation, KindResolver, KindPool}

type belongingKey struct{ kind, id string }

// belonging is a thing that somebody made, with the members that Lost compares, as JSON.
type belonging struct {
	Loss
	cidr    netip.Prefix
	depth   int // of a pool, and of a pool's CIDR and an allocation that of their pool
	members map[string]string
}

func belongings(items iter.Seq[map[string]types.AttributeValue]) map[belongingKey]*belonging {
	all := make(map[belongingKey]*belonging)
	for i := range items {
		r := &row{t: &table{}, attrs: i, pk: stringOf(i["PK"]), sk: stringOf(i["SK"])}
		if b := r.belonging(); b != nil {
			all[belongingKey{b.Kind, b.ID}] = b
		}
	}
	return all
}

// belonging returns the thing that an item is, nil if it is none that Lost compares.
func (r *row) belonging() *belonging {
	what, id, _ := strings.Cut(r.pk, "#")
	switch {
	case what == "SPACE" && strings.HasSuffix(id, "#TAKEN"):
		return r.lostAllocation(strings.TrimSuffix(id, "#TAKEN"))
	case what == "SPACE" && strings.HasSuffix(id, "#CIDR"):
		return r.lostCIDR(strings.TrimSuffix(id, "#CIDR"))
	case r.sk != meta:
		return nil
	case r.pk == "GRANTS":
		return r.lostSetting(KindGrants)
	case r.pk == "ORGANIZATION":
		return r.lostSetting(KindAdministrator)
	case objectKinds[what] != 0:
		return r.lostObject(objectKinds[what], id)
	}
	return nil
}

// lostAllocation returns an allocation that callers see. The block of a child pool is
// listed as the pool's CIDR.
func (r *row) lostAllocation(pool string) *belonging {
	kind := r.maybe("Kind")
	if kind == "ipam-pool" || kind == "split" || kind == "hold" {
		return nil
	}
	b := &belonging{cidr: r.cidr(), Loss: Loss{
		Kind: KindAllocation, ID: r.maybe("AllocationId"), Owner: r.maybe("Owner"), Pool: pool, Type: kind, Resource: r.maybe("ResourceId"),
		Description: r.maybe("Description"), Tags: tagsOf(r.attrs["Tags"]),
	}}
	b.CIDR = b.cidr.String()
	b.members = texts("Pool", b.Pool, "Cidr", b.CIDR, "Owner", b.Owner, "Kind", b.Type, "ResourceId", b.Resource, "ResourceRegion", r.maybe("ResourceRegion"), "Description", b.Description)
	b.members["Tags"] = jsonOf(b.Tags)
	return b
}

func (r *row) lostCIDR(pool string) *belonging {
	if r.maybe("State") == "deprovisioned" {
		return nil
	}
	b := &belonging{cidr: r.cidr(), Loss: Loss{Kind: KindCIDR, ID: r.maybe("Id"), Owner: r.maybe("Owner"), Pool: pool}}
	b.CIDR = b.cidr.String()
	b.members = texts("Pool", b.Pool, "Cidr", b.CIDR, "Owner", b.Owner, "Source", r.maybe("Source"), "AllocationId", r.maybe("AllocationId"))
	return b
}

func (r *row) lostSetting(kind string) *belonging {
	return &belonging{Loss: Loss{Kind: kind}, members: map[string]string{"Object": r.maybe("Object")}}
}

var objectNames = map[objectKind]string{kindIPAM: KindIPAM, kindScope: KindScope, kindPool: KindPool, kindDiscovery: KindDiscovery, kindAssociation: KindAssociation, kindResolver: KindResolver}

// derived are the members of an object that follow from others, or that no caller sets.
var derived = []string{"ID", "Rev", "State", "StateMessage", "Created", "ScopeCount", "PoolCount", "CIDRCount", "ChildCount", "DiscoveryAssociations", "IPAMs", "NotFound", "Latest", "LastCreation", "Failure"}

func (r *row) lostObject(kind objectKind, id string) *belonging {
	var doc struct {
		Owner, Description string
		Tags               map[string]string
		Depth              int
	}
	r.document("Object", &doc)
	b := &belonging{
		Loss:  Loss{Kind: objectNames[kind], ID: id, Owner: doc.Owner, Description: doc.Description, Tags: doc.Tags},
		depth: doc.Depth, members: map[string]string{},
	}
	var members map[string]json.RawMessage
	r.document("Object", &members)
	for name, value := range members {
		if !slices.Contains(derived, name) {
			b.members[name] = string(value)
		}
	}
	if state := r.maybe("State"); state == "delete-in-progress" { // the other states differ by past modifications only
		b.members["State"] = jsonOf(state)
	}
	return b
}

// differences returns the members that are not the same. An absent member is the same as
// an empty one: a version that does not know a member does not write it.
func differences(before, restored map[string]string) (all []Difference) {
	names := maps.Clone(before)
	maps.Copy(names, restored)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, b := cmp.Or(before[name], "null"), cmp.Or(restored[name], "null")
		bothEmpty := emptyJSON(a) && emptyJSON(b)
		if a != b && !bothEmpty {
			all = append(all, Difference{name, a, b})
		}
	}
	return all
}

func emptyJSON(text string) bool {
	return slices.Contains([]string{"null", `""`, "false", "0", "[]", "{}"}, text)
}

// texts returns members by pairs of name and value.
func texts(pairs ...string) map[string]string {
	m := make(map[string]string, len(pairs)/2+1)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = jsonOf(pairs[i+1])
	}
	return m
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and maps of strings
	}
	return string(b)
}

func stringOf(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func tagsOf(v types.AttributeValue) map[string]string {
	m, _ := v.(*types.AttributeValueMemberM)
	if m == nil || len(m.Value) == 0 {
		return nil
	}
	tags := make(map[string]string, len(m.Value))
	for key, value := range m.Value {
		tags[key] = stringOf(value)
	}
	return tags
}
