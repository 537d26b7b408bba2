package ipam

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
)

// ResourceStatus is the result of [EvaluateStatuses] for one resource's CIDR.
type ResourceStatus struct {
	Resource *ResourceCIDR
	Status   Status
	// After, if valid, is a point at which a pass may stop: no block is open
	// behind this result. Another pass over the resources and allocations that
	// follow After in the order of [netip.Prefix.Compare] yields the remaining
	// results.
	After netip.Prefix
	// Exposed reports that a part of the CIDR, which is Live, seems to be free
	// in a pool. EvaluateStatuses never sets it: its caller reads the table and
	// does.
	Exposed bool
}

// EvaluateStatuses yields the status of each of rows. These are the resources'
// CIDRs of one family in a scope. The VPC IPAM User Guide, "Monitor CIDR usage
// by resource", defines the statuses. allocations are the allocations of all
// pools of the scope; EvaluateStatuses ignores holds among them. Both sequences
// are in the order of [netip.Prefix.Compare] and may be a part of the scope, if
// nothing outside the part overlaps it. EvaluateStatuses reads one allocation
// ahead. pool returns the pool of an allocation, and nil if the pool, and the
// allocation with it, is gone.
//
// Groups overlap, not resources. A VPC and its subnets are one group, and so
// are a public IPv4 pool and its Elastic IPs. Any other CIDR, and each custom
// allocation, is its own group. A CIDR overlaps if a CIDR of another group
// intersects it. An allocation to a resource is no group, because the resource
// is one.
//
// Blocks of a resource planning pool belong to the group of the pool's VPC,
// whose block contains them.
//
// A VPC or subnet claims the custom allocation of its account with the same
// CIDR: it is managed, and the allocation is no group. A CIDR that intersects
// the allocation intersects the resource.
//
// A CIDR that overlaps several others names one of them. It goes on naming the one that its
// row names as long as that one overlaps it. So a change among many overlapping CIDRs alters
// the rows that name the changed one, and no others.
//
// EvaluateStatuses yields the result of a CIDR after all CIDRs inside it, so
// contents come before containers. It reads each row once. It keeps the rows
// whose CIDRs contain the present one, equal CIDRs included, in memory. The
// first error of rows or allocations ends the pass.
func EvaluateStatuses(rows iter.Seq2[*ResourceCIDR, error], allocations iter.Seq2[*Allocation, error], pool func(id string) *Pool) iter.Seq2[ResourceStatus, error] {
	return func(yield func(ResourceStatus, error) bool) {
		next, stop := iter.Pull2(allocations)
		defer stop()
		p := &evaluation{pool: pool, yield: yield, next: next, plannedVPCs: map[string]netip.Prefix{}, openGroups: map[namedBlock][]string{}, seekers: map[namedBlock][]int{}}
		p.nextAllocation()
		var level []*ResourceCIDR // rows of one CIDR
		for r, err := range rows {
			if err != nil {
				p.fail(err)
				return
			}
			if len(level) > 0 && level[0].CIDR != r.CIDR {
				p.addRows(level)
				level = level[:0]
			}
			if level = append(level, r); p.done {
				return
			}
		}
		if len(level) > 0 {
			p.addRows(level)
		}
		for len(p.open) > 0 && p.allocation != nil && Within(p.allocation.CIDR, p.open[0].cidr) {
			p.addAllocation()
		}
		p.close(nil)
	}
}

// evaluation is the state of [EvaluateStatuses]. Two CIDRs are nested or do not
// overlap, so the open blocks are a stack.
type evaluation struct {
	pool        func(string) *Pool
	yield       func(ResourceStatus, error) bool
	next        func() (*Allocation, error, bool)
	allocation  *Allocation             // the next one, nil at the end
	plannedVPCs map[string]netip.Prefix // by VPC: its last CIDR that a planning pool has
	open        []openBlock
	openGroups  map[namedBlock][]string // the groups of the open blocks
	seekers     map[namedBlock][]int    // by the block that their rows name: positions in open
	last        ResourceStatus          // not yielded before the next input is known; none if Resource is nil
	done        bool                    // the caller wants no more, or an error was yielded
}

// side is one side of an overlap. The zero side is none.
type side struct {
	group, id string
	cidr      netip.Prefix
}

// namedBlock is a block as a row's status names it, in With and WithCIDR.
type namedBlock struct{ id, cidr string }

func (s side) named() namedBlock { return namedBlock{s.id, s.cidr.String()} }

// openBlock is a block that may contain the next inputs.
type openBlock struct {
	side
	keeps  bool          // the block that the row names overlaps it still
	row    *ResourceCIDR // nil for an allocation
	status Status        // without Overlap
	outer  side          // the nearest containing block of another group
	first  side          // the first one in it
	second side          // the first block inside of another group than first
}

// nextAllocation reads the next allocation that can have an effect.
func (p *evaluation) nextAllocation() {
	for !p.done {
		a, err, ok := p.next()
		switch {
		case err != nil:
			p.fail(err)
		case !ok:
		case a.Kind == KindPool || p.pool(a.Pool) == nil:
			continue
		default:
			p.allocation = a
			return
		}
		break
	}
	p.allocation = nil
}

// addAllocation opens the next allocation, whose CIDR no resource has.
func (p *evaluation) addAllocation() {
	a := p.allocation
	if a.Kind == KindCustom {
		p.push(openBlock{side: side{cmp.Or(p.pool(a.Pool).SourceVPC(), a.AllocationID), a.AllocationID, a.CIDR}})
	}
	p.nextAllocation()
}

// addRows takes all rows of one CIDR, and the allocations of that CIDR. There is
// at most one allocation, or two: a VPC's, and one of its planning pool.
func (p *evaluation) addRows(rows []*ResourceCIDR) {
	cidr := rows[0].CIDR
	for p.allocation != nil && p.allocation.CIDR.Compare(cidr) < 0 {
		p.addAllocation()
	}
	var own []*Allocation
	for p.allocation != nil && p.allocation.CIDR == cidr {
		a := p.allocation
		own = append(own, a)
		claimed := slices.ContainsFunc(rows, func(r *ResourceCIDR) bool { return !r.Ignored && p.claims(a, r) })
		if a.Kind == KindCustom && !claimed {
			p.addAllocation()
		} else {
			p.nextAllocation()
		}
	}
	for _, a := range own {
		if a.PlanningPool != "" && slices.ContainsFunc(rows, func(r *ResourceCIDR) bool { return !r.Ignored && r.ID == a.ResourceID }) {
			p.plannedVPCs[a.ResourceID] = cidr
		}
	}
	p.close(&cidr)
	for _, r := range rows {
		if r.Ignored {
			p.keep(ResourceStatus{Resource: r, Status: Status{Management: ManagementIgnored, Compliance: ComplianceIgnored, Overlap: OverlapIgnored}})
		}
	}
	for _, r := range rows {
		if !r.Ignored {
			p.push(openBlock{side: side{r.Group(), r.ID, cidr}, row: r, status: p.withoutOverlap(r, own)})
		}
	}
	if len(p.open) == 0 {
		p.flush(cidr) // all rows are ignored, so they open no block
	}
}

// Group returns the group of a resource; see [EvaluateStatuses]. Ids of different types
// differ.
func (r *Resource) Group() string {
	switch {
	case r.Type == ResourceSubnet && r.VPC != "":
		return r.VPC
	case r.Type == ResourceEIP && r.Public != nil && strings.HasPrefix(r.Public.PublicIPv4Pool, "ipv4pool-"): // and not "amazon"
		return r.Public.PublicIPv4Pool
	}
	return r.ID
}

func (p *evaluation) claims(a *Allocation, r *ResourceCIDR) bool {
	return a.Kind == KindCustom && a.Owner == r.Owner && (r.Type == ResourceVPC || r.Type == ResourceSubnet) && p.pool(a.Pool).SourceVPC() != r.ID
}

// withoutOverlap returns a row's status without Overlap. own are the allocations of
// its CIDR.
func (p *evaluation) withoutOverlap(r *ResourceCIDR, own []*Allocation) Status {
	for _, a := range own {
		if !p.claims(a, r) && (a.Kind != r.Type.Kind() || a.ResourceID != r.ID) {
			continue
		}
		s := Status{Management: Managed, Compliance: Compliant, Pool: a.Pool, Allocation: a.AllocationID}
		if s.Reason = p.pool(a.Pool).brokenRules(&r.Resource); s.Reason != "" {
			s.Compliance = Noncompliant
		}
		return s
	}
	if plan, ok := p.plannedVPCs[r.VPC]; r.Type == ResourceSubnet && (!ok || !Within(r.CIDR, plan)) {
		return Status{} // no pool manages the subnets of this VPC
	}
	return Status{Management: Unmanaged, Compliance: ComplianceUnmanaged}
}

// brokenRules returns a sentence with the pool's rules that a resource in it breaks,
// and "" if it breaks none.
func (p *Pool) brokenRules(r *Resource) string {
	var broken []string
	lo, hi := p.Rules.bounds(p.Family)
	switch length := r.CIDR.Bits(); {
	case length < lo:
		broken = append(broken, fmt.Sprintf("its netmask length /%d is shorter than the minimum /%d", length, lo))
	case length > hi:
		broken = append(broken, fmt.Sprintf("its netmask length /%d is longer than the maximum /%d", length, hi))
	}
	if p.Locale != "" && p.Locale != r.Region {
		broken = append(broken, fmt.Sprintf("its Region %s is not the locale %s", r.Region, p.Locale))
	}
	if lacks := p.Rules.missingTag(r.Tags); lacks != "" {
		broken = append(broken, "it lacks the tag "+lacks)
	}
	if len(broken) == 0 {
		return ""
	}
	return fmt.Sprintf("It breaks rules of %s: %s.", p.ID, strings.Join(broken, "; "))
}

// push opens a block.
func (p *evaluation) push(o openBlock) {
	p.close(&o.cidr)
	if n := len(p.open); n > 0 {
		above := &p.open[n-1]
		if o.outer = above.outer; above.group != o.group {
			o.outer = above.side
		}
	}
	p.seek(&o)
	p.open = append(p.open, o)
}

// seek finds out whether the block that o's row names contains o, and whether o is the one
// that the row of an open block names. o is opened next.
func (p *evaluation) seek(o *openBlock) {
	self := o.named()
	if names, ok := o.names(); ok {
		o.keeps = slices.ContainsFunc(p.openGroups[names], func(group string) bool { return group != o.group })
		p.seekers[names] = append(p.seekers[names], len(p.open))
	}
	for _, i := range p.seekers[self] {
		if i < len(p.open) && p.open[i].group != o.group {
			p.open[i].keeps = true
		}
	}
	p.openGroups[self] = append(p.openGroups[self], o.group)
}

// unseek undoes seek for the block that is closed, the last one that was opened.
func (p *evaluation) unseek(o *openBlock) {
	if names, ok := o.names(); ok {
		if rest := p.seekers[names]; len(rest) > 1 {
			p.seekers[names] = rest[:len(rest)-1]
		} else {
			delete(p.seekers, names)
		}
	}
	self := o.named()
	if rest := p.openGroups[self]; len(rest) > 1 {
		p.openGroups[self] = rest[:len(rest)-1]
	} else {
		delete(p.openGroups, self)
	}
}

// names returns the block that a row's status names, if it names one.
func (o *openBlock) names() (namedBlock, bool) {
	if o.row == nil || o.row.Status.With == "" {
		return namedBlock{}, false
	}
	return namedBlock{o.row.Status.With, o.row.Status.WithCIDR}, true
}

// close ends the open blocks that do not contain cidr; nil ends all.
func (p *evaluation) close(cidr *netip.Prefix) {
	for n := len(p.open); n > 0 && (cidr == nil || !Within(*cidr, p.open[n-1].cidr)); n-- {
		o := p.open[n-1]
		p.open = p.open[:n-1]
		p.unseek(&o)
		switch {
		case o.row == nil:
		case o.keeps:
			o.status.Overlap, o.status.With, o.status.WithCIDR = Overlapping, o.row.Status.With, o.row.Status.WithCIDR
			p.keep(ResourceStatus{Resource: o.row, Status: o.status})
		default:
			o.status.Overlap = Nonoverlapping
			for _, with := range []side{o.outer, o.first, o.second} {
				if with.group != "" && with.group != o.group {
					o.status.Overlap, o.status.With, o.status.WithCIDR = Overlapping, with.id, with.cidr.String()
					break
				}
			}
			p.keep(ResourceStatus{Resource: o.row, Status: o.status})
		}
		if n == 1 {
			last := netipx.PrefixLastIP(o.cidr)
			p.flush(netip.PrefixFrom(last, last.BitLen())) // the last block inside o.cidr
			break
		}
		above := &p.open[n-2]
		for _, in := range []side{o.side, o.first, o.second} {
			switch {
			case in.group == "":
			case above.first.group == "":
				above.first = in
			case above.second.group == "" && in.group != above.first.group:
				above.second = in
			}
		}
	}
}

// keep yields the previous result and keeps v.
func (p *evaluation) keep(v ResourceStatus) {
	p.flush(netip.Prefix{})
	p.last = v
}

// flush yields the kept result.
func (p *evaluation) flush(after netip.Prefix) {
	if p.last.Resource != nil && !p.done {
		p.last.After = after
		p.done = !p.yield(p.last, nil)
	}
	p.last = ResourceStatus{}
}

func (p *evaluation) fail(err error) {
	if !p.done {
		p.done = true
		p.yield(ResourceStatus{}, err)
	}
}
