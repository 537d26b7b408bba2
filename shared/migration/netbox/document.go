package netbox

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// named is a short form of another object.
type named struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
	VID  int    `json:"vid"` // of a VLAN
}

// choice is a value of a list of choices. Old versions write the value alone.
type choice struct{ value string }

// UnmarshalJSON reads a choice.
func (c *choice) UnmarshalJSON(b []byte) error {
	var long struct{ Value string }
	if err := json.Unmarshal(b, &long); err == nil {
		c.value = long.Value
		return nil
	}
	return json.Unmarshal(b, &c.value)
}

// prefix is a prefix, or an aggregate, which has no VRF.
type prefix struct {
	ID           int            `json:"id"`
	Prefix       string         `json:"prefix"`
	VRF          *named         `json:"vrf"`
	Site         *named         `json:"site"`  // before NetBox 4.2
	Scope        *named         `json:"scope"` // since NetBox 4.2: a site, a location, a region
	Tenant       *named         `json:"tenant"`
	VLAN         *named         `json:"vlan"`
	Role         *named         `json:"role"`
	RIR          *named         `json:"rir"` // of an aggregate
	Status       choice         `json:"status"`
	Description  string         `json:"description"`
	Tags         []named        `json:"tags"`
	CustomFields map[string]any `json:"custom_fields"`

	cidr      netip.Prefix
	aggregate bool
}

type vrf struct {
	ID           int            `json:"id"`
	Name         string         `json:"name"`
	RD           *string        `json:"rd"`
	Tenant       *named         `json:"tenant"`
	Description  string         `json:"description"`
	Tags         []named        `json:"tags"`
	CustomFields map[string]any `json:"custom_fields"`
}

// Options say how NetBox's objects become those of an IPAM.
type Options struct {
	// GlobalScope is the scope of the prefixes without a VRF; "" is the default private
	// one.
	GlobalScope string
	// Top are CIDRs of top-level pools for prefixes that no aggregate or container has.
	Top []netip.Prefix
	// AccountField is the custom field with the account that owns an allocation, and
	// LocaleField the one with the locale of a pool; "" for none.
	AccountField, LocaleField string
}

// container is the status of a prefix that only has others.
const container = "container"

// Read returns the document of a NetBox. Each VRF with prefixes is a scope. Aggregates,
// containers, and prefixes with others in them are pools; all other prefixes are
// allocations in the smallest pool over them. Role, tenant, site, VLAN, status, tags and
// custom fields become tags. The line of an object is its id in NetBox.
func (c *Client) Read(ctx context.Context, o Options) (*migration.Document, error) {
	vrfs, err := list(ctx, c, "ipam/vrfs/", func(v *vrf) int { return v.ID }, nil)
	if err != nil {
		return nil, err
	}
	aggregates, err := list(ctx, c, "ipam/aggregates/", func(p *prefix) int { return p.ID }, nil)
	if err != nil {
		return nil, err
	}
	prefixes, err := list(ctx, c, "ipam/prefixes/", func(p *prefix) int { return p.ID }, c.Progress)
	if err != nil {
		return nil, err
	}
	return document(vrfs, aggregates, prefixes, o), nil
}

func document(vrfs []vrf, aggregates, prefixes []prefix, o Options) *migration.Document {
	d := &migration.Document{Format: migration.Format}
	byVRF := map[int][]prefix{} // 0 is the global table
	for _, p := range prefixes {
		id := 0
		if p.VRF != nil {
			id = p.VRF.ID
		}
		byVRF[id] = append(byVRF[id], p)
	}
	for _, a := range aggregates {
		a.aggregate = true
		byVRF[0] = append(byVRF[0], a)
	}
	if global := byVRF[0]; len(global) > 0 {
		name := cmp.Or(o.GlobalScope, migration.PrivateScope)
		s := &migration.Scope{Name: name, Existing: name == migration.PrivateScope}
		fill(s, global, o)
		d.Scopes = append(d.Scopes, s)
	}
	used := map[string]bool{migration.PrivateScope: true, migration.PublicScope: true, o.GlobalScope: true}
	for _, v := range vrfs {
		if len(byVRF[v.ID]) == 0 {
			continue
		}
		name := v.Name
		if used[name] { // names of VRFs need not be unique
			name = fmt.Sprintf("%s (VRF %d)", v.Name, v.ID)
		}
		used[name] = true
		s := &migration.Scope{Name: name, Description: v.Description, Tags: v.tags(), Line: v.ID}
		fill(s, byVRF[v.ID], o)
		d.Scopes = append(d.Scopes, s)
	}
	return d
}

// fill adds the prefixes of a VRF to a scope.
func fill(s *migration.Scope, prefixes []prefix, o Options) {
	var valid []prefix
	for _, p := range prefixes {
		cidr, err := netip.ParsePrefix(p.Prefix)
		if err != nil || cidr != cidr.Masked() {
			s.Allocations = append(s.Allocations, p.allocation(o)) // the plan has a finding on it
			continue
		}
		p.cidr = cidr
		valid = append(valid, p)
	}
	for _, top := range o.Top {
		if slices.ContainsFunc(valid, func(p prefix) bool { return top.Overlaps(p.cidr) }) && !slices.ContainsFunc(valid, func(p prefix) bool { return p.cidr == top }) {
			valid = append(valid, prefix{Prefix: top.String(), cidr: top, aggregate: true})
		}
	}
	slices.SortStableFunc(valid, func(a, b prefix) int {
		return cmp.Or(a.cidr.Addr().Compare(b.cidr.Addr()), cmp.Compare(a.cidr.Bits(), b.cidr.Bits()), -compareBool(a.aggregate, b.aggregate), cmp.Compare(a.ID, b.ID))
	})
	t := tree{scope: s, o: o}
	for i, p := range valid {
		next := slices.IndexFunc(valid[i:], func(q prefix) bool { return q.cidr != p.cidr })
		t.add(p, p.aggregate || p.Status.value == container || next > 0 && ipam.Within(valid[i+next].cidr, p.cidr))
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// tree adds prefixes to a scope, in the order of their addresses, the larger ones first.
type tree struct {
	scope *migration.Scope
	o     Options
	open  []branch // the pools around the last prefix, the largest first
}

type branch struct {
	pool      *migration.Pool
	cidr      netip.Prefix
	aggregate bool // no prefix has described the pool yet
}

// add adds a prefix, as a pool or as an allocation of the pool around it.
func (t *tree) add(p prefix, asPool bool) {
	for len(t.open) > 0 && !ipam.Within(p.cidr, t.open[len(t.open)-1].cidr) {
		t.open = t.open[:len(t.open)-1]
	}
	var around *branch
	if len(t.open) > 0 {
		around = &t.open[len(t.open)-1]
	}
	switch {
	case asPool && around != nil && around.aggregate && around.cidr == p.cidr: // the prefix of an aggregate
		made := p.pool(t.o)
		if made.Tags == nil {
			made.Tags = ipam.Tags{}
		}
		maps.Copy(made.Tags, around.pool.Tags)
		around.pool.Description, around.pool.Tags, around.pool.Line = cmp.Or(made.Description, around.pool.Description), made.Tags, p.ID
		around.pool.Locale, around.aggregate = cmp.Or(made.Locale, around.pool.Locale), false
	case asPool && (around == nil || around.cidr != p.cidr):
		pool := p.pool(t.o)
		if around != nil {
			pool.Source, pool.Locale = around.pool.Name, cmp.Or(pool.Locale, around.pool.Locale)
		}
		t.scope.Pools = append(t.scope.Pools, pool)
		t.open = append(t.open, branch{pool, p.cidr, p.aggregate})
	case around == nil:
		t.scope.Allocations = append(t.scope.Allocations, p.allocation(t.o))
	default:
		around.pool.Allocations = append(around.pool.Allocations, p.allocation(t.o))
	}
}

func (p *prefix) pool(o Options) *migration.Pool {
	return &migration.Pool{
		Name: "#" + p.cidr.String(), Family: ipam.FamilyOf(p.cidr).String(), Locale: p.field(o.LocaleField), Description: p.Description,
		Tags: p.tags(o), CIDRs: []string{p.cidr.String()}, Line: p.ID,
	}
}

func (p *prefix) allocation(o Options) *migration.Allocation {
	return &migration.Allocation{CIDR: p.Prefix, Owner: p.field(o.AccountField), Description: p.Description, Tags: p.tags(o), Line: p.ID}
}

// field returns the text of a custom field, "" for no name.
func (p *prefix) field(name string) string { return fieldText(p.CustomFields[name]) }

// tags returns the tags that have a prefix's other properties.
func (p *prefix) tags(o Options) ipam.Tags {
	tags := fieldTags(p.CustomFields, o.AccountField, o.LocaleField)
	set := func(key string, n *named) {
		if n != nil && n.Name != "" {
			tags[key] = n.Name
		}
	}
	set("role", p.Role)
	set("tenant", p.Tenant)
	set("site", p.Site)
	set("site", p.Scope)
	set("rir", p.RIR)
	if p.VLAN != nil {
		tags["vlan"] = strings.TrimSpace(strconv.Itoa(p.VLAN.VID) + " " + p.VLAN.Name)
	}
	if s := p.Status.value; s != "" && s != "active" && s != container {
		tags["status"] = s
	}
	return withSlugs(tags, p.Tags)
}

func (v *vrf) tags() ipam.Tags {
	tags := fieldTags(v.CustomFields)
	if v.RD != nil && *v.RD != "" {
		tags["rd"] = *v.RD
	}
	if v.Tenant != nil {
		tags["tenant"] = v.Tenant.Name
	}
	if !strings.HasPrefix(v.Name, "#") {
		tags[migration.NameTag] = v.Name
	}
	return withSlugs(tags, v.Tags)
}

// withSlugs adds NetBox's own tags, and returns nil for no tags.
func withSlugs(tags ipam.Tags, given []named) ipam.Tags {
	var slugs []string
	for _, t := range given {
		slugs = append(slugs, cmp.Or(t.Slug, t.Name))
	}
	if len(slugs) > 0 {
		slices.Sort(slugs)
		tags["tags"] = strings.Join(slugs, ",")
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// fieldTags returns the custom fields that have a value as tags.
func fieldTags(fields map[string]any, except ...string) ipam.Tags {
	tags := ipam.Tags{}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if text := fieldText(fields[k]); text != "" && !slices.Contains(except, k) {
			tags[k] = text
		}
	}
	return tags
}

// fieldText returns the value of a custom field as a text: of an object its name, of a list
// its elements.
func fieldText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, fieldText(x))
		}
		return strings.Join(all, ",")
	case map[string]any:
		for _, member := range []string{"value", "name", "display"} {
			if text := fieldText(v[member]); text != "" {
				return text
			}
		}
	}
	b, _ := json.Marshal(v) // it was JSON before
	return string(b)
}
