package ops

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The input and output of SearchIpam. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// SearchIpamInput is the input of SearchIpam.
	SearchIpamInput struct {
		DryRun     *bool
		Text       *string
		MaxResults *int32
		NextToken  *string
	}
	// SearchIpamOutput is the output of SearchIpam.
	SearchIpamOutput struct {
		IpamSearchMatches []IpamSearchMatch
		SearchedAs        string   // how the text was read: an address, a CIDR, …
		NotSearched       []string // sentences
		NextToken         *string
	}
	// IpamSearchMatch is an object, a CIDR of a pool, an allocation or a resource that
	// matches.
	IpamSearchMatch struct {
		MatchKind, MatchedBy                                                 *string
		Id, Cidr, IpamId, IpamScopeId, IpamPoolId, IpamPoolAllocationId      *string
		OwnerId, ResourceType, ResourceId, ResourceRegion, Name, Description *string
		ComplianceStatus                                                     types.IpamComplianceStatus
		OverlapStatus                                                        types.IpamOverlapStatus
		Since                                                                *time.Time
	}
)

// The ways to read the text of a search.
const (
	searchAddress = "address"
	searchCIDR    = "cidr"
	searchID      = "id"
	searchAccount = "account"
	searchTag     = "tag"
	searchText    = "text"
)

// query is the text of a search.
type query struct {
	as    string
	cidr  netip.Prefix // of an address or a CIDR
	text  string       // an id or an account; a prefix of names and descriptions in lower case
	key   string       // of a tag
	value string       // of a tag
}

// parseQuery reads the text of a search.
func parseQuery(text string) (query, error) {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > 512 {
		return query{}, schema.Invalid("Text", text, "Use 1 to 512 characters besides spaces: an address, a CIDR, an id, an account, a tag key=value, or the beginning of a name or description.")
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return query{as: searchAddress, cidr: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		p, err := ipam.ParseCIDR("Text", text)
		return query{as: searchCIDR, cidr: p}, err
	}
	switch key, value, tag := strings.Cut(text, "="); {
	case len(text) == 12 && strings.Trim(text, "0123456789") == "":
		return query{as: searchAccount, text: text}, nil
	case isID(text):
		return query{as: searchID, text: text}, nil
	case tag && key != "":
		return query{as: searchTag, key: key, value: value}, nil
	}
	return query{as: searchText, text: strings.ToLower(text)}, nil
}

// isID reports whether a text has the form of an id: of an object of IPAM or a resource.
func isID(text string) bool {
	if ipam.IDKindOf(text) != "" {
		return true
	}
	for _, prefix := range []string{"vpc-", "subnet-", "eipalloc-", "eni-", "ipv4pool-ec2-"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok && len(rest) >= 8 && strings.Trim(rest, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}

// matches returns the property by which something with these properties matches the query,
// and "" if it does not. ids has its own id first.
func (q query) matches(ids, accounts []string, name, description string, tags ipam.Tags) string {
	begins := func(s string) bool { return strings.HasPrefix(strings.ToLower(s), q.text) }
	switch q.as {
	case searchID:
		if slices.Contains(ids, q.text) {
			return "id"
		}
	case searchAccount:
		if slices.Contains(accounts, q.text) {
			return "account"
		}
	case searchTag:
		if value, ok := tags[q.key]; ok && value == q.value {
			return "tag"
		}
	case searchText:
		switch {
		case begins(name):
			return "name"
		case begins(description):
			return "description"
		}
	}
	return ""
}

// maxInside is the number of blocks and resources that a search for a CIDR looks at.
const maxInside = 1000

// search finds the objects of the caller, the CIDRs of its pools, the allocations that it
// sees and the resources in its scopes that match a text.
//
// An address or CIDR is found by its place, in few calls. Any other text is compared with
// all objects, resources and allocations, as the filters of the lists are: a page ends
// after as many as a page of a list, so it may be empty and have a token.
func (o service) search(ctx context.Context, in *SearchIpamInput) (*SearchIpamOutput, error) {
	q, err := parseQuery(aws.ToString(in.Text))
	if err != nil {
		return nil, err
	}
	out := &SearchIpamOutput{SearchedAs: q.as}
	var all listing.List[IpamSearchMatch]
	out.IpamSearchMatches, out.NextToken, err = answer(ctx, listRequest{"SearchIpam", in, in.MaxResults, in.NextToken, nil}, nil,
		func(m *IpamSearchMatch) IpamSearchMatch { return *m },
		func(p listing.Page) (listing.List[IpamSearchMatch], error) {
			var err error
			if q.cidr.IsValid() {
				all, err = o.searchPlace(ctx, p, q, out)
			} else {
				all, err = o.searchAll(ctx, p, q)
			}
			return all, err
		})
	if err != nil {
		return nil, err
	}
	switch q.as {
	case searchAddress, searchCIDR:
		out.NotSearched = append(out.NotSearched, "Past uses are not searched: GetIpamAddressHistory lists them.",
			"Pools of other accounts that are shared with yours are not searched by address: GetIpamPoolAllocations lists their allocations.")
		if q.as == searchCIDR {
			out.NotSearched = append(out.NotSearched, "Network interfaces inside the CIDR are not searched: give an address.")
		}
	case searchID:
		if !strings.HasPrefix(q.text, "eni-") {
			break
		}
		out.NotSearched = append(out.NotSearched, "Addresses of network interfaces are found in the scopes of the caller's IPAMs only.")
	default:
		out.NotSearched = append(out.NotSearched, "Network interfaces are not searched by name, tag or account: give an address or the id of one.")
	}
	return out, nil
}

// searchPosition returns the position of a page as a phase of a search and the place in it.
func searchPosition(p listing.Page, phases ...string) (phase string, at []string, err error) {
	if len(p.After) == 0 {
		return phases[0], nil, nil
	}
	if !slices.Contains(phases, p.After[0]) {
		return "", nil, p.InvalidToken()
	}
	return p.After[0], p.After[1:], nil
}

// hits returns the matches of a list's objects. The other entries stay, without an object:
// they count towards the page.
func hits[T any](phase string, objects listing.List[T], match func(*T) *IpamSearchMatch) listing.List[IpamSearchMatch] {
	return func(yield func(listing.Entry[IpamSearchMatch], error) bool) {
		for e, err := range objects {
			found := listing.Entry[IpamSearchMatch]{Position: append([]string{phase}, e.Position...), Cost: e.Cost}
			if e.Object != nil {
				found.Object = match(e.Object)
			}
			if !yield(found, err) || err != nil {
				return
			}
		}
	}
}

// The phases of a search through everything, in order.
var searchPhases = []string{"ipam", "scope", "pool", "discovery", "resource", "interface", "allocation"}

// searchAll compares the text with everything that the caller sees.
func (o service) searchAll(ctx context.Context, p listing.Page, q query) (listing.List[IpamSearchMatch], error) {
	if q.as == searchID {
		if found, done, err := o.searchObject(ctx, p, q.text); done || err != nil {
			return found, err
		}
	}
	first, at, err := searchPosition(p, searchPhases...)
	if err != nil {
		return nil, err
	}
	var lists []listing.List[IpamSearchMatch]
	for _, phase := range searchPhases[slices.Index(searchPhases, first):] {
		if phase == "interface" && (q.as != searchID || !strings.HasPrefix(q.text, "eni-")) {
			at = nil
			continue
		}
		list, err := o.searchPhase(ctx, p, phase, at, q)
		if err != nil {
			return nil, err
		}
		lists, at = append(lists, list), nil
	}
	return listing.Concat(lists...), nil
}

// searchPhase compares the text with all of one kind behind a place.
func (o service) searchPhase(ctx context.Context, p listing.Page, phase string, at []string, q query) (listing.List[IpamSearchMatch], error) {
	place := func(n int) (string, error) {
		if len(at) != 0 && len(at) != n {
			return "", p.InvalidToken()
		}
		return strings.Join(at[:min(len(at), 1)], ""), nil
	}
	switch phase {
	case "ipam", "scope", "discovery":
		after, err := place(1)
		if err != nil {
			return nil, err
		}
		switch phase {
		case "ipam":
			return hits(phase, o.ipams().owned(ctx, after), func(m *ipam.IPAM) *IpamSearchMatch { return objectHit(q, "ipam", &m.Meta, m.ID, "", "") }), nil
		case "scope":
			return hits(phase, o.scopes().owned(ctx, after), func(s *ipam.Scope) *IpamSearchMatch { return objectHit(q, "ipam-scope", &s.Meta, s.IPAM, s.ID, "") }), nil
		}
		return hits(phase, o.discoveries().owned(ctx, after), func(d *ipam.Discovery) *IpamSearchMatch {
			return objectHit(q, "ipam-resource-discovery", &d.Meta, d.IPAM, "", "")
		}), nil
	case "pool":
		if len(at) > 2 {
			return nil, p.InvalidToken()
		}
		at = append(slices.Clone(at), "", "")
		account := registry.CallerFrom(ctx).Account
		return hits(phase, o.allPools(ctx, at[0], at[1]), func(x *ipam.Pool) *IpamSearchMatch { return poolHit(q, x, account) }), nil
	case "resource", "interface":
		return o.searchResources(ctx, p, phase, at, q)
	}
	var after allocationPosition
	if len(at) > 0 {
		var ok bool
		if after, ok = parsePosition(at); !ok {
			return nil, p.InvalidToken()
		}
	}
	return hits(phase, o.allAllocations(ctx, after, 0), func(a *ipam.Allocation) *IpamSearchMatch {
		by := q.matches([]string{a.AllocationID, a.ResourceID}, []string{a.Owner}, a.Tags["Name"], a.Description, a.Tags)
		if by == "" || a.Kind == ipam.KindPool {
			return nil
		}
		return allocationHit(by, a)
	}), nil
}

// searchResources compares the text with the resources, or the interfaces, of all scopes of
// the caller's, behind a scope, family and place in it.
func (o service) searchResources(ctx context.Context, p listing.Page, phase string, at []string, q query) (listing.List[IpamSearchMatch], error) {
	if len(at) != 0 && len(at) != 3 {
		return nil, p.InvalidToken()
	}
	read := o.store.Resources
	if phase == "interface" {
		read = o.store.Interfaces
	}
	scopes, err := o.store.OwnedScopes(ctx, registry.CallerFrom(ctx).Account)
	if err != nil {
		return nil, err
	}
	parts := func(yield func(listing.Part[ipam.ResourceCIDR], error) bool) {
		for _, s := range scopes {
			for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
				after := ""
				if len(at) > 0 {
					switch before := strings.Compare(s.ID+f.String(), at[0]+at[1]); {
					case before < 0:
						continue
					case before == 0:
						after = at[2]
					}
				}
				if !yield(listing.Part[ipam.ResourceCIDR]{
					Empty:    []string{s.ID, f.String(), "~"},
					After:    after,
					Next:     func(after string) ([]*ipam.ResourceCIDR, string, error) { return read(ctx, s.ID, f, after, 0) },
					Position: func(r *ipam.ResourceCIDR) []string { return []string{s.ID, f.String(), items.ResourceAfter(r)} },
				}, nil) {
					return
				}
			}
		}
	}
	return hits(phase, listing.Chain(parts), func(r *ipam.ResourceCIDR) *IpamSearchMatch {
		by := q.matches([]string{r.ID, r.VPC, r.Subnet, r.Instance}, []string{r.Owner}, r.Name, "", r.Tags)
		if q.as == searchID && by != "" && r.ID != q.text && !strings.HasPrefix(q.text, "vpc-") {
			by = "" // an interface names its subnet, and a subnet itself
		}
		if by == "" {
			return nil
		}
		return resourceHit(by, r)
	}), nil
}

// searchObject finds an object of IPAM by its id. done is false for an id of a resource.
func (o service) searchObject(ctx context.Context, p listing.Page, id string) (found listing.List[IpamSearchMatch], done bool, err error) {
	q := query{as: searchID, text: id}
	account := registry.CallerFrom(ctx).Account
	var hit *IpamSearchMatch
	switch ipam.IDKindOf(id) {
	case ipam.IDIPAM:
		all, e := o.ipams().find(ctx, "Text", []string{id})
		if err = e; err == nil {
			hit = objectHit(q, "ipam", &all[0].Meta, id, "", "")
		}
	case ipam.IDScope:
		all, e := o.scopes().find(ctx, "Text", []string{id})
		if err = e; err == nil {
			hit = objectHit(q, "ipam-scope", &all[0].Meta, all[0].IPAM, id, "")
		}
	case ipam.IDPool:
		all, e := o.reachablePools().find(ctx, "Text", []string{id})
		if err = e; err == nil {
			hit = poolHit(q, all[0], account)
		}
	case ipam.IDDiscovery:
		all, e := o.visibleDiscoveries().find(ctx, "Text", []string{id})
		if err = e; err == nil {
			hit = objectHit(q, "ipam-resource-discovery", &all[0].Meta, all[0].IPAM, "", "")
		}
	case ipam.IDResolver:
		all, e := o.resolvers().find(ctx, "Text", []string{id})
		if err = e; err == nil {
			hit = objectHit(q, "ipam-prefix-list-resolver", &all[0].Meta, all[0].IPAM, "", "")
		}
	case ipam.IDAllocation:
		all, e := o.findAllocations(ctx, "Text", []string{id})
		if err = e; err == nil {
			hit = allocationHit("id", all[0])
		}
	case ipam.IDPoolCIDR, ipam.IDDiscoveryAssociation:
	default:
		return nil, false, nil
	}
	if strings.HasSuffix(string(ipam.CodeOf(err)), ".NotFound") {
		err = nil
	}
	return func(yield func(listing.Entry[IpamSearchMatch], error) bool) {
		if hit != nil && len(p.After) == 0 {
			yield(listing.Entry[IpamSearchMatch]{Object: hit, Position: []string{"ipam"}}, nil)
		}
	}, true, err
}

// searchPlace finds the CIDRs of pools, allocations and resources around an address or
// CIDR, or equal to it, and those inside a CIDR, in every scope of the caller's.
func (o service) searchPlace(ctx context.Context, p listing.Page, q query, out *SearchIpamOutput) (listing.List[IpamSearchMatch], error) {
	_, at, err := searchPosition(p, "place")
	if err != nil {
		return nil, err
	}
	if len(at) != 0 && len(at) != 2 {
		return nil, p.InvalidToken()
	}
	scopes, err := o.store.OwnedScopes(ctx, registry.CallerFrom(ctx).Account)
	if err != nil {
		return nil, err
	}
	var found []listing.Entry[IpamSearchMatch]
	for _, s := range scopes {
		if len(at) > 0 && s.ID < at[0] {
			continue
		}
		here, complete, err := o.store.SpaceAround(ctx, store.SpaceView{Scope: s.ID, Family: ipam.FamilyOf(q.cidr), CIDR: q.cidr, Most: maxInside})
		if err != nil {
			return nil, err
		}
		if !complete {
			out.NotSearched = append(out.NotSearched, fmt.Sprintf("In %s the CIDR has more than %d blocks and resources: those inside it are not listed. Search for a smaller CIDR, or list the pool's allocations.", s.ID, maxInside))
		}
		for i, hit := range placeHits(q, here, s) {
			position := []string{"place", s.ID, fmt.Sprintf("%06d", i)}
			if len(at) == 0 || s.ID > at[0] || position[2] > at[1] {
				found = append(found, listing.Entry[IpamSearchMatch]{Object: hit, Position: position})
			}
		}
	}
	return func(yield func(listing.Entry[IpamSearchMatch], error) bool) {
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
	}, nil
}

// placeHits returns the matches in a scope: the CIDRs of pools and the allocations, then
// the resources and interfaces.
func placeHits(q query, here *store.SpaceMap, s *ipam.Scope) (found []*IpamSearchMatch) {
	for i := range here.Blocks {
		b := &here.Blocks[i]
		switch b.State {
		case ipam.SpacePool:
			found = append(found, &IpamSearchMatch{MatchKind: aws.String("ipam-pool-cidr"), MatchedBy: &q.as, Id: &b.ResourceID, Cidr: aws.String(b.CIDR.String()), IpamId: &s.IPAM, IpamScopeId: &s.ID, IpamPoolId: &b.ResourceID, OwnerId: &b.Owner})
		case ipam.SpaceAllocated:
			hit := allocationHit(q.as, &ipam.Allocation{Taken: b.Taken, Pool: b.Pool})
			hit.IpamId, hit.IpamScopeId = &s.IPAM, &s.ID
			found = append(found, hit)
		case ipam.SpaceHeld, ipam.SpaceFree, ipam.SpaceChanging:
		}
	}
	for _, r := range here.Resources {
		hit := resourceHit(q.as, r)
		hit.IpamId = &s.IPAM
		found = append(found, hit)
	}
	return found
}

func objectHit(q query, kind string, m *ipam.Meta, manager, scope, pool string) *IpamSearchMatch {
	by := q.matches([]string{m.ID}, []string{m.Owner}, m.Tags["Name"], m.Description, m.Tags)
	if by == "" {
		return nil
	}
	return &IpamSearchMatch{
		MatchKind: &kind, MatchedBy: &by, Id: &m.ID, IpamId: optional(manager), IpamScopeId: optional(scope), IpamPoolId: optional(pool),
		OwnerId: &m.Owner, Name: optional(m.Tags["Name"]), Description: optional(m.Description),
	}
}

// poolHit matches a pool. Of a pool of another account, an account sees neither the tags
// nor the scope.
func poolHit(q query, p *ipam.Pool, account string) *IpamSearchMatch {
	if p.Owner != account {
		m := p.Meta
		m.Tags = nil
		return objectHit(q, "ipam-pool", &m, "", "", p.ID)
	}
	hit := objectHit(q, "ipam-pool", &p.Meta, p.IPAM, p.Scope, p.ID)
	if hit == nil && q.as == searchAccount && slices.Contains(p.Shares, q.text) {
		shared := *p
		shared.Owner = q.text
		if hit = objectHit(q, "ipam-pool", &shared.Meta, p.IPAM, p.Scope, p.ID); hit != nil {
			hit.OwnerId = &p.Owner
		}
	}
	return hit
}

// allocationHit shows an allocation, of the caller's pools or of the caller itself.
func allocationHit(by string, a *ipam.Allocation) *IpamSearchMatch {
	return &IpamSearchMatch{
		MatchKind: aws.String("ipam-pool-allocation"), MatchedBy: &by, Id: optional(a.AllocationID), Cidr: aws.String(a.CIDR.String()), IpamPoolId: optional(a.Pool), IpamPoolAllocationId: optional(a.AllocationID),
		OwnerId: &a.Owner, ResourceType: aws.String(string(a.Kind)), ResourceId: optional(a.ResourceID), ResourceRegion: optional(a.ResourceRegion),
		Name: optional(a.Tags["Name"]), Description: optional(a.Description),
	}
}

func resourceHit(by string, r *ipam.ResourceCIDR) *IpamSearchMatch {
	return &IpamSearchMatch{
		MatchKind: aws.String("resource"), MatchedBy: &by, Id: &r.ID, Cidr: aws.String(r.CIDR.String()), IpamScopeId: &r.Scope, IpamPoolId: optional(r.Status.Pool), IpamPoolAllocationId: optional(r.Status.Allocation),
		OwnerId: &r.Owner, ResourceType: aws.String(string(r.Type)), ResourceId: &r.ID, ResourceRegion: &r.Region, Name: optional(r.Name),
		ComplianceStatus: types.IpamComplianceStatus(r.Status.Compliance), OverlapStatus: types.IpamOverlapStatus(r.Status.Overlap), Since: showTime(r.Since),
	}
}
