package fsck

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// selection has the members of a resolver's document that the checks use.
type selection struct {
	Rules        []rule
	Latest       int64
	LastCreation string
}

// rule is a rule of a resolver.
type rule struct {
	Type       string
	CIDR       netip.Prefix
	Scope      string
	Resource   string
	Conditions []condition
}

type condition struct {
	Operation, Pool, ResourceID, Owner, Region string
	Tag                                        *struct{ Key, Value string }
	CIDR                                       netip.Prefix
}

// candidate is a CIDR of a resource or of a pool, as rules see it.
type candidate struct {
	cidr                                               netip.Prefix
	ruleType, scope, resource, pool, id, owner, region string
	tags                                               map[string]string
}

// selects reports whether the rule selects the candidate.
func (r *rule) selects(c *candidate) bool {
	if r.Type != c.ruleType || r.Scope != c.scope || r.Resource != c.resource {
		return false
	}
	for _, n := range r.Conditions {
		var same bool
		switch {
		case n.Operation == "subnet-of":
			same = within(c.cidr, n.CIDR)
		case n.CIDR.IsValid():
			same = c.cidr == n.CIDR
		case n.Tag != nil:
			value, has := c.tags[n.Tag.Key]
			same = has && value == n.Tag.Value
		default:
			same = n.Pool != "" && n.Pool == c.pool || n.ResourceID != "" && n.ResourceID == c.id || n.Owner != "" && n.Owner == c.owner || n.Region != "" && n.Region == c.region
		}
		if same == (n.Operation == "not-equals") {
			return false
		}
	}
	return true
}

// member is the row of a CIDR that a resolver selects.
type member struct {
	resolver, sk string
	cidr         netip.Prefix
}

func (m *member) pk() string { return "MEMBERS#" + m.resolver }

func (t *table) addMember(r *row, resolver string) {
	m := member{resolver, r.sk, r.cidr()}
	if r.ok() {
		t.members = append(t.members, m)
	}
}

// version is a version of a resolver.
type version struct {
	resolver, sk string
	number       int64
	entries      int64          // of its item
	cidrs        []netip.Prefix // of the item of its CIDRs
	expires      bool
}

// addVersion reads a version, or its CIDRs.
func (t *table) addVersion(r *row, resolver string) {
	kind, text, _ := strings.Cut(r.sk, "#")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || text != fmt.Sprintf("%010d", n) || kind != "VERSION" && kind != "CIDRS" {
		r.fail("the key has no number of a version")
	}
	v := version{resolver: resolver, sk: r.sk, number: n, expires: r.has("Expires")}
	if v.expires && r.gone(true) {
		return
	}
	if kind == "VERSION" {
		r.count("Since")
		if v.entries = r.count("Entries"); r.ok() {
			t.versions = append(t.versions, v)
		}
		return
	}
	if !r.has("Cidrs") {
		r.fail("the attribute Cidrs is missing")
	}
	for text := range strings.FieldsSeq(r.maybe("Cidrs")) {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Masked() != p || p.String() != text {
			r.fail("%q is not how a CIDR is written", text)
		}
		if k := len(v.cidrs); k > 0 && blockSK(v.cidrs[k-1]) >= blockSK(p) {
			r.fail("%s follows %s", p, v.cidrs[k-1])
		}
		v.cidrs = append(v.cidrs, p)
	}
	if r.ok() {
		t.versionCIDRs = append(t.versionCIDRs, v)
	}
}

// addEveryResolver reads a row of the list of all resolvers.
func (t *table) addEveryResolver(r *row) {
	if said := r.text("Id"); said != r.sk {
		r.fail("the attribute Id is %q, and the key says %q", said, r.sk)
	}
	if r.ok() {
		t.everyResolver = append(t.everyResolver, r.sk)
	}
}

// checkResolvers checks resolvers, their members and versions. settled says that the
// stream has been processed, so that members and versions follow the rules.
func (t *table) checkResolvers(settled bool) {
	noted := map[string]bool{} // resolvers with work to do
	for _, sk := range t.notes {
		if kind, id, _ := strings.Cut(sk, "#"); kind == "select" || kind == "version" || kind == "member" {
			id, _, _ = strings.Cut(id, "#")
			noted[id] = true
			noted[kind+"#"+id] = true
		}
	}
	listed := make(map[string]bool, len(t.everyResolver))
	for _, id := range t.everyResolver {
		listed[id] = true
		if t.index[ref{kindResolver, id}] == nil {
			t.problem(Listing, "RESOLVERS", id, "no such resolver exists")
		}
	}
	members, versions := map[string][]netip.Prefix{}, map[string][]*version{}
	for i := range t.members {
		m := &t.members[i]
		o := t.index[ref{kindResolver, m.resolver}]
		switch {
		case o == nil:
			if !noted["select#"+m.resolver] {
				t.problem(Reference, m.pk(), m.sk, "its resolver does not exist, and no note of work says so")
			}
		case familyOf(m.cidr) != o.Family:
			t.problem(Chain, m.pk(), m.sk, "it is %s, and its resolver is %s", familyOf(m.cidr), o.Family)
		}
		members[m.resolver] = append(members[m.resolver], m.cidr)
	}
	of := map[string]*version{}
	for i := range t.versionCIDRs {
		of[t.versionCIDRs[i].resolver+strings.TrimPrefix(t.versionCIDRs[i].sk, "CIDRS")] = &t.versionCIDRs[i]
	}
	for i := range t.versions {
		v := &t.versions[i]
		if c := of[v.resolver+strings.TrimPrefix(v.sk, "VERSION")]; c == nil || int64(len(c.cidrs)) != v.entries || c.expires != v.expires {
			t.problem(Reference, "RESOLVER#"+v.resolver, v.sk, "it has %d CIDRs, and the item of these does not exist, has others or another end", v.entries)
		} else {
			v.cidrs = c.cidrs
		}
		delete(of, v.resolver+strings.TrimPrefix(v.sk, "VERSION"))
		if t.index[ref{kindResolver, v.resolver}] == nil && !noted["select#"+v.resolver] {
			t.problem(Reference, "RESOLVER#"+v.resolver, v.sk, "its resolver does not exist, and no note of work says so")
		}
		versions[v.resolver] = append(versions[v.resolver], v)
	}
	for _, c := range of {
		if !noted["select#"+c.resolver] {
			t.problem(Reference, "RESOLVER#"+c.resolver, c.sk, "its version does not exist")
		}
	}
	for i := range t.objects {
		o := &t.objects[i]
		if o.kind != kindResolver {
			continue
		}
		if !listed[o.id] {
			t.problem(Listing, "RESOLVERS", o.id, "the resolver exists and is not in the list of all")
		}
		if up := t.index[ref{kindIPAM, o.IPAM}]; up == nil {
			t.problem(Reference, o.pk(), meta, "its IPAM %s does not exist", o.IPAM)
		} else {
			t.same(o, "owner", o.owner, up, up.owner)
		}
		if o.LastCreation == "pending" && !noted[o.id] {
			t.problem(Work, o.pk(), meta, "a version is to be made, and no note of work says so")
		}
		t.checkVersions(o, versions[o.id], noted[o.id])
		if settled && !noted[o.id] {
			t.checkMembers(o, members[o.id], versions[o.id])
		}
	}
}

// checkVersions checks which versions of a resolver there are, and for how long.
func (t *table) checkVersions(o *object, versions []*version, noted bool) {
	last := false
	for _, v := range versions {
		last = last || v.number == o.Latest
		if v.number > o.Latest {
			t.problem(Reference, o.pk(), v.sk, "the last version of its resolver is %d", o.Latest)
		}
		if old := v.number <= o.Latest-10; old != v.expires {
			t.problem(Form, o.pk(), v.sk, "it expires: %t, and the last version is %d", v.expires, o.Latest)
		}
	}
	if o.LastCreation == "success" && !last && !noted {
		t.problem(Reference, o.pk(), meta, "its last version %d does not exist", o.Latest)
	}
}

// checkMembers compares the members of a resolver with the CIDRs that its rules select, and
// with its last version.
func (t *table) checkMembers(o *object, members []netip.Prefix, versions []*version) {
	selected := map[string]netip.Prefix{}
	for _, r := range o.Rules {
		if r.Type == "static-cidr" {
			selected[blockSK(r.CIDR)] = r.CIDR
		}
	}
	for i := range t.live {
		if l := &t.live[i]; !l.ignored {
			t.selectFor(o, selected, &candidate{cidr: l.CIDR, ruleType: "ipam-resource-cidr", scope: l.scope, resource: l.Type, id: l.ID, owner: l.Owner, region: l.Region, tags: l.Tags})
		}
	}
	for i := range t.cidrs {
		if c := &t.cidrs[i]; c.of != nil && !c.pending {
			t.selectFor(o, selected, &candidate{cidr: c.cidr, ruleType: "ipam-pool-cidr", scope: c.of.Scope, pool: c.pool})
		}
	}
	known := func(p netip.Prefix) bool { return o.through == "" || blockSK(p) <= o.through }
	have := map[string]bool{}
	for _, p := range members {
		have[blockSK(p)] = true
		if _, ok := selected[blockSK(p)]; !ok && known(p) {
			t.problem(Select, "MEMBERS#"+o.id, blockSK(p), "no rule selects %s", p)
		}
	}
	for sk, p := range selected {
		if !have[sk] && known(p) {
			t.problem(Select, "MEMBERS#"+o.id, sk, "a rule selects %s, and the row is missing", p)
		}
	}
	for _, v := range versions {
		if v.number != o.Latest || o.LastCreation != "success" {
			continue
		}
		slices.SortFunc(members, func(a, b netip.Prefix) int { return strings.Compare(blockSK(a), blockSK(b)) })
		if !slices.Equal(v.cidrs, members) {
			t.problem(Select, o.pk(), v.sk, "it has %d CIDRs and is not the %d members of its resolver", len(v.cidrs), len(members))
		}
	}
}

// selectFor adds a candidate to the selected CIDRs if a rule of the resolver selects it.
func (t *table) selectFor(o *object, selected map[string]netip.Prefix, c *candidate) {
	if familyOf(c.cidr) != o.Family {
		return
	}
	for i := range o.Rules {
		if o.Rules[i].selects(c) {
			selected[blockSK(c.cidr)] = c.cidr
		}
	}
}
