package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
)

// Rules are the allocation rules of a pool. They bind custom allocations and
// resources, never child pools, and child pools do not inherit them. An unset
// length is 0 for the minimum and the family's whole length for the maximum.
// Default is nil if unset, because 0 is a valid length.
type Rules struct {
	Min, Max, Default *int // netmask lengths: Min is the largest block
	ResourceTags      Tags // tags that a resource must have to be compliant
}

// Check returns an error unless the lengths are within the family and minimum ≤
// default ≤ maximum.
func (r Rules) Check(f Family) error {
	for _, l := range []struct {
		name   string
		length *int
	}{{"AllocationMinNetmaskLength", r.Min}, {"AllocationMaxNetmaskLength", r.Max}, {"AllocationDefaultNetmaskLength", r.Default}} {
		if l.length != nil && (*l.length < 0 || *l.length > f.Bits()) {
			return Errorf(CodeInvalidParameterValue, "Value (%d) for parameter %s is invalid. A netmask length of an %s pool is 0 to %d.", *l.length, l.name, f, f.Bits())
		}
	}
	lo, hi := r.bounds(f)
	if lo > hi {
		return Errorf(CodeInvalidParameterCombination, "AllocationMinNetmaskLength (%d) must not be greater than AllocationMaxNetmaskLength (%d). The minimum length is the largest block.", lo, hi)
	}
	if r.Default != nil && (*r.Default < lo || *r.Default > hi) {
		return Errorf(CodeInvalidParameterCombination, "AllocationDefaultNetmaskLength (%d) must lie between AllocationMinNetmaskLength (%d) and AllocationMaxNetmaskLength (%d).", *r.Default, lo, hi)
	}
	return nil
}

func (r Rules) bounds(f Family) (lo, hi int) {
	lo, hi = 0, f.Bits()
	if r.Min != nil {
		lo = *r.Min
	}
	if r.Max != nil {
		hi = *r.Max
	}
	return lo, hi
}

// AllocateRequest is a caller's request for a CIDR of a pool.
type AllocateRequest struct {
	CIDR       netip.Prefix // the zero Prefix if not given
	Length     *int
	Filter     Filter
	Region     string // the caller's Region
	HomeRegion string // the Region of the endpoint
}

// Joined returns the filter with its allowed CIDRs joined: as few as possible with the
// same addresses. A block that two allowed CIDRs cover together then lies in one.
func (f Filter) Joined() Filter {
	var b netipx.IPSetBuilder
	for _, a := range f.Allowed {
		b.AddPrefix(a)
	}
	if set, err := b.IPSet(); err == nil { // an error means an invalid CIDR, which admits no block
		f.Allowed = set.Prefixes()
	}
	return f
}

// Want is the decided target of an allocation: a certain CIDR, or any block of
// a length that passes the filter.
type Want struct {
	CIDR   netip.Prefix // if valid, exactly this CIDR
	Length int
	Filter Filter
}

// checkCombination returns an error if parameters exclude one another. It needs
// no pool.
func (q AllocateRequest) checkCombination() error {
	if q.CIDR.IsValid() && q.Length != nil {
		return Errorf(CodeInvalidParameterCombination, "The parameter 'Cidr' may not be used in combination with 'NetmaskLength'. Exactly one of them should be provided.")
	}
	if q.CIDR.IsValid() && len(q.Filter.Allowed)+len(q.Filter.Disallowed) > 0 {
		return Errorf(CodeInvalidParameterCombination, "The parameters 'AllowedCidr' and 'DisallowedCidr' may not be used in combination with 'Cidr'; they narrow the choice for a NetmaskLength.")
	}
	return nil
}

// DecideWant applies the pool's rules to a request, in this order: locale,
// state, family, explicit size before default, minimum and maximum.
func (p *Pool) DecideWant(q AllocateRequest) (Want, error) {
	if err := q.checkCombination(); err != nil {
		return Want{}, err
	}
	if err := p.checkLocale(q.Region, q.HomeRegion); err != nil {
		return Want{}, err
	}
	if err := p.Require(ActUse); err != nil {
		return Want{}, err
	}
	for _, c := range append(append([]netip.Prefix{q.CIDR}, q.Filter.Allowed...), q.Filter.Disallowed...) {
		if c.IsValid() && FamilyOf(c) != p.Family {
			return Want{}, Errorf(CodeInvalidParameterValue, "The CIDR %s is not of the address family of %s, which is %s.", c, p.ID, p.Family)
		}
	}
	w := Want{CIDR: q.CIDR, Filter: q.Filter.Joined()}
	switch {
	case q.CIDR.IsValid():
		w.Length = q.CIDR.Bits()
	case q.Length != nil:
		w.Length = *q.Length
	case p.Rules.Default != nil:
		w.Length = *p.Rules.Default
	default:
		return Want{}, Errorf(CodeInvalidParameterCombination, "The request cannot contain empty CIDR and Netmask Length for a pool with no default allocation netmask length set. Exactly one of them should be provided.")
	}
	if w.Length < 0 || w.Length > p.Family.Bits() {
		return Want{}, Errorf(CodeInvalidParameterValue, "Value (%d) for parameter NetmaskLength is invalid. A netmask length of an %s pool is 0 to %d.", w.Length, p.Family, p.Family.Bits())
	}
	lo, hi := p.Rules.bounds(p.Family)
	if w.Length < lo {
		return Want{}, Errorf(CodeInvalidParameterValue, "The netmask length /%d is shorter than the allocation minimum netmask length /%d of %s. Ask for a block of /%d to /%d.", w.Length, lo, p.ID, lo, hi)
	}
	if w.Length > hi {
		return Want{}, Errorf(CodeInvalidParameterValue, "The netmask length /%d is longer than the allocation maximum netmask length /%d of %s. Ask for a block of /%d to /%d.", w.Length, hi, p.ID, lo, hi)
	}
	return w, nil
}

// CheckResource returns an error if a new resource out of the pool would break
// the pool's rules. [Pool.DecideWant] checks its length. A subnet comes from a
// resource planning pool of its VPC, and a VPC from any other pool. The Region
// of the resource must be the locale (Amazon VPC IPAM User Guide, "Create a VPC
// that uses an IPAM pool CIDR").
func (p *Pool) CheckResource(r *Resource) error {
	region, tags := r.Region, r.Tags
	switch around := p.SourceVPC(); {
	case r.Type == ResourceSubnet && around == "":
		return Errorf(CodeInvalidParameterValue, "The pool %s gives no CIDRs to subnets. Use a resource planning pool whose SourceResource is %s.", p.ID, r.VPC)
	case r.Type == ResourceSubnet && around != r.VPC:
		return Errorf(CodeInvalidParameterValue, "The pool %s gives CIDRs to the subnets of %s, and not of %s.", p.ID, around, r.VPC)
	case r.Type != ResourceSubnet && around != "":
		return Errorf(CodeInvalidParameterValue, "The pool %s gives CIDRs to the subnets of %s alone.", p.ID, around)
	}
	if p.Locale == "" {
		return Errorf(CodeInvalidParameterValue, "The pool %s has no locale, and only a pool with one gives CIDRs to resources. Use a pool whose locale is %s.", p.ID, region)
	}
	if p.Locale != region {
		return Errorf(CodeInvalidParameterValue, "The pool %s is not in the current region %s. Its locale is %s: make the resource there, or use a pool of %s.", p.ID, region, p.Locale, region)
	}
	if lacks := p.Rules.missingTag(tags); lacks != "" {
		return Errorf(CodeInvalidParameterValue, "The resource is missing one or more of the resource tags required by the IPAM pool. %s asks for %s; give them in TagSpecification.", p.ID, lacks)
	}
	return nil
}

// missingTag returns the required tags that a resource lacks, sorted, and "" if it
// lacks none.
func (r Rules) missingTag(tags Tags) string {
	var missing []string
	for key, value := range r.ResourceTags {
		if have, ok := tags[key]; !ok || have != value {
			missing = append(missing, key+"="+value)
		}
	}
	slices.Sort(missing)
	return strings.Join(missing, ", ")
}

// checkLocale returns an error if the pool does not serve callers of the
// Region. A pool with a locale serves callers of that Region and of the home
// Region; a pool without a locale serves the home Region.
func (p *Pool) checkLocale(region, home string) error {
	if region == "" || region == home || region == p.Locale {
		return nil
	}
	where := home
	if p.Locale != "" && p.Locale != home {
		where = p.Locale + " or " + home
	}
	return Errorf(CodeInvalidParameterValue, "The pool %s is not in the current region %s. Call from %s.", p.ID, region, where)
}

// Occupants describes the users of a pool's or scope's space. A refusal names the next step
// after them. It may describe a part of the space only.
type Occupants struct {
	Live      []*Resource // live resources whose space no allocation owns, the largest first
	More      int         // further blocks that live resources hold so
	AtLeast   bool        // there may be more than More
	Custom    bool        // a custom allocation takes space
	Resources bool        // an allocation of a resource takes space
	Pools     bool        // a CIDR of another pool takes space
}

// MaxNamedResources is the number of live resources that a refusal names.
const MaxNamedResources = 3

// NoRoom returns the error of a pool or scope without a free block for want.
// largest is the length of the largest free block, negative if none is free.
// cidrs is the number of provisioned CIDRs. in describes the users of the space.
func NoRoom(space string, w Want, largest int, cidrs int64, in Occupants) error {
	var b strings.Builder
	b.WriteString("The allocation size is too big for the pool. ")
	var steps []string
	switch {
	case cidrs == 0:
		fmt.Fprintf(&b, "%s has no CIDR provisioned; provision one first.", space)
		return &Error{Code: CodeInvalidParameterValue, Message: b.String()}
	case largest < 0:
		fmt.Fprintf(&b, "%s has no free address left.", space)
	case largest <= w.Length:
		fmt.Fprintf(&b, "%s has no free /%d that AllowedCidr and DisallowedCidr admit; its largest free block is /%d.", space, w.Length, largest)
		steps = append(steps, "widen the CIDRs that the request allows")
	default:
		fmt.Fprintf(&b, "%s has no free /%d; its largest free block is /%d.", space, w.Length, largest)
		steps = append(steps, "ask for a smaller block")
	}
	if len(in.Live) > 0 {
		b.WriteString(" Live resources hold space without an allocation: " + in.liveText() + ".")
		steps = append(steps, freeLive(len(in.Live)+in.More))
	}
	b.WriteString(" " + sentence(append(steps, in.steps()...)))
	return &Error{Code: CodeInvalidParameterValue, Message: b.String()}
}

// steps returns the other steps that make room: first a new CIDR, then the removal of the
// users of the space.
func (in Occupants) steps() []string {
	steps := []string{"provision another CIDR"}
	for _, c := range []struct {
		is   bool
		step string
	}{
		{in.Custom, "release an allocation"},
		{in.Resources, "delete a resource that has an allocation"},
		{in.Pools, "deprovision a CIDR of another pool"},
	} {
		if c.is {
			steps = append(steps, c.step)
		}
	}
	return steps
}

// liveText lists the live resources.
func (in Occupants) liveText() string {
	var named []string
	for _, r := range in.Live {
		named = append(named, r.place())
	}
	switch {
	case in.More == 0 && in.AtLeast:
		named = append(named, "perhaps others")
	case in.AtLeast:
		named = append(named, fmt.Sprintf("at least %d more", in.More))
	case in.More > 0:
		named = append(named, fmt.Sprintf("%d more", in.More))
	}
	return enumerate(named, "and")
}

// place names a resource and its CIDR. A refusal shows this much of a resource of another
// account.
func (r *Resource) place() string {
	return fmt.Sprintf("%s %s of account %s in %s is live at %s", r.Type, r.ID, r.Owner, r.Region, r.CIDR)
}

// freeLive is the step that ends the hold of one of n live resources.
func freeLive(n int) string {
	what := "the resource"
	if n > 1 {
		what = "such a resource"
	}
	return "have " + what + " imported, ignored or moved to another scope with ModifyIpamResourceCidr"
}

// sentence makes one sentence of the steps that a caller can choose from.
func sentence(steps []string) string {
	text := enumerate(steps, "or")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// enumerate joins parts with commas, and the last one with a word.
func enumerate(parts []string, word string) string {
	n := len(parts)
	if n < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:n-1], ", ") + " " + word + " " + parts[n-1]
}

// NotFree returns the error of a CIDR that overlaps the taken block by.
func NotFree(cidr netip.Prefix, space string, by Taken) error {
	holder := "allocation " + by.AllocationID
	hint := "Choose another CIDR, or leave the choice to the pool with NetmaskLength."
	switch by.Kind {
	case KindPool:
		holder = "the CIDR of pool " + by.ResourceID
	case KindSplit:
		return Errorf(CodeConcurrentMutationLimitExceeded, "There are too many concurrent mutations for the requested resource. The CIDR %s is being taken or released by another request. Try again later.", cidr)
	default: // an allocation
	}
	return Errorf(CodeInvalidParameterValue, "The CIDR %s is not available in %s: it overlaps %s, which is %s. %s", cidr, space, by.CIDR, holder, hint)
}

// NotFreeLive returns the error of a CIDR that live resources use. It names the first
// [MaxNamedResources] of them and counts the others.
func NotFreeLive(cidr netip.Prefix, space string, live []*Resource) error {
	in := Occupants{Live: live}
	if n := len(live) - MaxNamedResources; n > 0 {
		in.Live, in.More = live[:MaxNamedResources], n
	}
	steps := []string{"choose another CIDR", "leave the choice to the pool with NetmaskLength", freeLive(len(live))}
	return Errorf(CodeInvalidParameterValue, "The CIDR %s is not available in %s: %s. %s", cidr, space, in.liveText(), sentence(steps))
}

// OutsideOf returns the error of a CIDR that is in none of the CIDRs of a
// space.
func OutsideOf(cidr netip.Prefix, space string) error {
	return Errorf(CodeInvalidParameterValue, "The CIDR %s is not contained in a CIDR that is provisioned to %s. GetIpamPoolCidrs lists them.", cidr, space)
}
