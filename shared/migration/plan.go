package migration

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Options are the settings of a plan. The zero Options are for an import with the
// credentials of one account.
type Options struct {
	// OtherAccounts says that there are credentials for each account that owns an
	// allocation.
	OtherAccounts bool
}

// Plan is the result of [NewPlan].
type Plan struct {
	Steps    []Step    // left to do, in an order in which they can be done
	Findings []Finding // sorted by line
	Present  int       // objects of the document that the deployment has already
}

// NewPlan compares a document with the content of a deployment, and returns the steps
// that make the deployment have all of the document, and a finding for each line that
// cannot be taken as it is. Nothing that the deployment has is changed or removed, except
// that empty settings of the IPAM and of the default scopes are set. A line with a finding
// has no steps. NewPlan changes neither of its arguments.
func NewPlan(current *Deployment, wanted *Document, o Options) *Plan {
	p := &planner{current: current, wanted: wanted, o: o, plan: &Plan{}, privateGUA: current.IPAM != nil && current.IPAM.EnablePrivateGUA}
	if p.ipam() {
		p.findScopes()
		p.resources()
		for _, s := range p.scopes {
			p.pools(s)
		}
		for _, s := range p.scopes {
			p.cidrs(s)
		}
		p.allocations()
	}
	slices.SortStableFunc(p.plan.Steps, func(a, b Step) int { return cmp.Compare(a.phase, b.phase) })
	sortFindings(p.plan.Findings)
	return p.plan
}

// planner builds a plan.
type planner struct {
	current    *Deployment
	wanted     *Document
	o          Options
	plan       *Plan
	account    string
	regions    []string // operating Regions after the import
	privateGUA bool
	manager    *ipamTarget
	scopes     []*scopeTarget
}

// ipamTarget is an IPAM with its id, which the import finds out or makes.
type ipamTarget struct {
	id, discovery string
	wanted        *IPAM
	scopes        map[string]*scopeTarget // the default scopes, by name
}

// scopeTarget is a scope of the deployment or of the document.
type scopeTarget struct {
	id      string // "" before the scope is made
	name    string
	ipam    *ipamTarget
	wanted  *Scope // nil if the document does not name it
	current *Scope // nil if the deployment does not have it
	fault   *fault // why nothing can be in it
	pools   []*poolTarget
	tops    space[user]        // CIDRs of top-level pools
	over    space[*poolTarget] // CIDRs of all pools; of equal ones the deepest pool
	live    space[[]Live]
}

// poolTarget is a pool of the deployment or of the document.
type poolTarget struct {
	id      string // "" before the pool is made
	name    string
	family  string
	locale  string
	depth   int
	scope   *scopeTarget
	source  *poolTarget
	wanted  *Pool       // nil if the document does not name it
	current *Pool       // nil if the deployment does not have it
	fault   *fault      // why nothing can be in it
	roots   space[bool] // the pool's CIDRs
	cidrs   []string
	users   space[user] // CIDRs of child pools, allocations, resources
	shares  []string
	number  int // among pools that are created in the same way
}

// user is the user of a CIDR.
type user struct {
	line       int // of the document; 0 if it has no lines, and for a user in the deployment
	text       string
	document   bool        // whether it is in the document
	allocation *Allocation // of the deployment; nil for any other
}

func (u user) String() string {
	if u.line > 0 {
		return fmt.Sprintf("%s (line %d)", u.text, u.line)
	}
	return u.text
}

func (p *planner) find(line int, object string, f *fault) {
	p.plan.Findings = append(p.plan.Findings, Finding{line, f.kind, excerpt(object), f.message, f.next})
}

func (p *planner) step(s Step) { p.plan.Steps = append(p.plan.Steps, s) }

// ipam plans the IPAM and its settings. It returns false if there is none and none can be
// made.
func (p *planner) ipam() bool {
	have, want := p.current.IPAM, p.wanted.IPAM
	if have == nil && want == nil {
		want = p.wanted.newIPAM()
	}
	p.account = p.current.Account
	p.manager = &ipamTarget{wanted: want, scopes: map[string]*scopeTarget{}}
	if want != nil && !p.checkIPAM(want) {
		return false
	}
	switch {
	case have == nil && want == nil:
		p.find(0, rowIPAM, faultf(KindUnknown, "Add the IPAM to the document, or create one with CreateIpam.", "The deployment has no IPAM, and the document describes none."))
		return false
	case have == nil:
		p.regions, p.privateGUA = want.OperatingRegions, want.EnablePrivateGUA
		p.step(Step{Operation: "CreateIpam", phase: phaseIPAM, ipam: p.manager})
		p.settings(&IPAM{Tags: want.Tags, Description: want.Description, OperatingRegions: want.OperatingRegions, EnablePrivateGUA: want.EnablePrivateGUA}, want)
	default:
		p.manager.id, p.manager.discovery, p.regions = have.ID, have.Discovery, have.OperatingRegions
		if want != nil {
			p.settings(have, want)
		}
	}
	p.regions = append(slices.Clone(p.regions), p.current.HomeRegion)
	return true
}

// checkIPAM reports whether the IPAM's own texts are right.
func (p *planner) checkIPAM(m *IPAM) bool {
	limit := p.current.Quotas.Tags
	for _, f := range []*fault{checkText(m.Description), checkTags(m.Tags, limit), checkTags(m.DiscoveryTags, limit)} {
		if f != nil {
			p.find(m.Line, rowIPAM, f)
			return false
		}
	}
	for _, r := range m.OperatingRegions {
		if !ipam.IsRegion(r) {
			p.find(m.Line, rowIPAM, faultf(KindSetting, "Write a Region's name such as eu-west-1.", "%q is no Region.", excerpt(r)))
			return false
		}
	}
	if !slices.Contains([]string{"", "free", "advanced"}, m.Tier) || !slices.Contains([]string{"", "ipam-owner", "resource-owner"}, m.MeteredAccount) {
		p.find(m.Line, rowIPAM, faultf(KindSetting, "Write free or advanced, and ipam-owner or resource-owner.", "The tier is %q and the metered account %q.", excerpt(m.Tier), excerpt(m.MeteredAccount)))
		return false
	}
	return true
}

// settings plans the changes of an IPAM that has other settings than the document.
func (p *planner) settings(have, want *IPAM) {
	missing := without(want.OperatingRegions, append(slices.Clone(have.OperatingRegions), p.current.HomeRegion))
	description, gua := "", want.EnablePrivateGUA && !have.EnablePrivateGUA
	if have.Description == "" {
		description = want.Description
	}
	if len(missing) > 0 || description != "" || gua {
		p.step(Step{Operation: "ModifyIpam", phase: phaseSettings, ipam: p.manager, description: description, names: missing, flag: gua})
		p.regions, p.privateGUA = append(slices.Clone(p.regions), missing...), p.privateGUA || gua
	}
	differs := p.mergeTags(phaseSettings, want.Tags, have.Tags, func() string { return p.manager.id })
	if missing := without(want.ExcludedUnits, have.ExcludedUnits); len(missing) > 0 {
		p.step(Step{Operation: "ModifyIpamResourceDiscovery", phase: phaseSettings, ipam: p.manager, names: missing})
	}
	differs = append(differs, p.mergeTags(phaseSettings, want.DiscoveryTags, have.DiscoveryTags, func() string { return p.manager.discovery })...)
	if have.Description != "" && have.Description != want.Description {
		differs = append(differs, "description")
	}
	if have.Tier != want.Tier && p.current.IPAM != nil {
		differs = append(differs, "tier")
	}
	if have.MeteredAccount != want.MeteredAccount && p.current.IPAM != nil {
		differs = append(differs, "metered account")
	}
	p.differs(want.Line, rowIPAM, "IPAM", differs)
	if p.current.IPAM != nil && len(differs) == 0 {
		p.plan.Present++
	}
}

// differs adds a finding on settings that stay as they are in the deployment.
func (p *planner) differs(line int, object, kind string, members []string) {
	if len(members) > 0 {
		p.find(line, object, faultf(KindDiffers, "Change them in the document or in the deployment, so that they are equal, or let the deployment's stay.",
			"The deployment has this %s with another value of: %s.", kind, strings.Join(members, ", ")))
	}
}

// mergeTags plans the tags that an object lacks, and returns the names of those that it
// has with another value.
func (p *planner) mergeTags(phase int, want, have ipam.Tags, id func() string) (differs []string) {
	missing := ipam.Tags{}
	for k, v := range want {
		if old, ok := have[k]; !ok {
			missing[k] = v
		} else if old != v {
			differs = append(differs, "tag "+k)
		}
	}
	if len(missing) > 0 {
		p.step(Step{Operation: "CreateTags", phase: phase, id: id, tags: missing})
	}
	slices.Sort(differs)
	return differs
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// findScopes finds the scopes of the document in the deployment, and plans the others.
func (p *planner) findScopes() {
	byName := map[string]*scopeTarget{}
	add := func(s *scopeTarget) *scopeTarget {
		s.ipam = p.manager
		p.scopes = append(p.scopes, s)
		byName[s.name] = s
		if s.name == PrivateScope || s.name == PublicScope {
			p.manager.scopes[s.name] = s
		}
		return s
	}
	for _, s := range p.current.Scopes {
		add(&scopeTarget{id: s.ID, name: s.Name, current: s})
	}
	if p.current.IPAM == nil {
		add(&scopeTarget{name: PrivateScope})
		add(&scopeTarget{name: PublicScope})
	}
	count := int64(len(p.scopes))
	for _, w := range p.wanted.Scopes {
		t := byName[cmp.Or(w.Name, PrivateScope)]
		if t == nil {
			t = p.scopeByContent(w)
		}
		switch {
		case t != nil && t.wanted != nil:
			p.find(w.Line, w.Name, faultf(KindDuplicate, "Give one of the scopes another name.", "The document describes two scopes of this name."))
		case t != nil:
			t.wanted = w
			p.scopeSettings(t)
		case w.Existing:
			f := faultf(KindUnknown, "Correct the name, or add the scope to the document.", "There is no scope %s.", excerpt(w.Name))
			add(&scopeTarget{name: w.Name, wanted: w, fault: f})
		default:
			count++
			p.newScope(add(&scopeTarget{name: w.Name, wanted: w}), count)
		}
	}
}

// scopeByContent finds a scope by its id, or a scope without a name by its description
// and tags.
func (p *planner) scopeByContent(w *Scope) *scopeTarget {
	for _, t := range p.scopes {
		if t.current == nil || t.wanted != nil || t.current.isDefault() {
			continue
		}
		nameless := !w.Existing && strings.HasPrefix(w.Name, "#") && strings.HasPrefix(t.name, "#")
		if t.id == w.Name || nameless && t.current.Description == w.Description && maps.Equal(t.current.Tags, w.Tags) {
			return t
		}
	}
	return nil
}

// scopeSettings compares a scope of the deployment with the document.
func (p *planner) scopeSettings(t *scopeTarget) {
	w := t.wanted
	if w.Faulty {
		t.fault = dependsOn("scope", w.Name, w.Line)
		return
	}
	if w.Existing {
		return
	}
	have := t.current
	if have == nil {
		have = &Scope{} // a default scope of an IPAM that is to be created
	}
	if f := cmp.Or(checkText(w.Description), checkTags(w.Tags, p.current.Quotas.Tags)); f != nil {
		p.find(w.Line, w.Name, f)
		return
	}
	var differs []string
	switch {
	case !w.isDefault():
		if have.Description != w.Description {
			differs = append(differs, "description")
		}
		if !maps.Equal(have.allTags(), w.allTags()) {
			differs = append(differs, "tags")
		}
	default:
		if have.Description == "" && w.Description != "" {
			p.step(Step{Operation: "ModifyIpamScope", phase: phaseSettings, scope: t, description: w.Description})
		} else if have.Description != w.Description {
			differs = append(differs, "description")
		}
		differs = append(differs, p.mergeTags(phaseSettings, w.Tags, have.Tags, func() string { return t.id })...)
	}
	p.differs(w.Line, w.Name, rowScope, differs)
	if t.current != nil && len(differs) == 0 {
		p.plan.Present++
	}
}

// newScope plans the creation of a scope, which makes the number of scopes count.
func (p *planner) newScope(t *scopeTarget, count int64) {
	w := t.wanted
	f := cmp.Or(checkText(w.Description), checkTags(w.allTags(), p.current.Quotas.Tags))
	if limit := p.current.Quotas.ScopesPerIPAM; f == nil && count > limit {
		f = faultf(KindQuota, "Have the quota scopes_per_ipam of the deployment raised, or leave the scope out.", "The IPAM would have %d scopes, and at most %d are possible.", count, limit)
	}
	if f != nil && !w.Faulty {
		p.find(w.Line, w.Name, f)
	}
	if f != nil || w.Faulty {
		t.fault = dependsOn("scope", w.Name, w.Line)
		return
	}
	p.step(Step{Operation: "CreateIpamScope", phase: phaseSettings, scope: t})
}

// dependsOn returns the fault of all that is in a faulty scope or pool.
func dependsOn(kind, name string, line int) *fault {
	at := ""
	if line > 0 {
		at = fmt.Sprintf(" of line %d", line)
	}
	return faultf(KindDepends, "Correct that first.", "The %s %s%s cannot be taken.", kind, excerpt(name), at)
}

// text returns the CIDRs of a pool for messages.
func (t *poolTarget) text() string {
	const most = 3
	switch n := len(t.cidrs); {
	case n == 0:
		return "none"
	case n > most:
		return fmt.Sprintf("%s and %d more", strings.Join(t.cidrs[:most], ", "), n-most)
	}
	return strings.Join(t.cidrs, ", ")
}

// take gives a CIDR of the pool's source, or of the scope at the top level, to a user.
func (t *poolTarget) take(c netip.Prefix, u user) {
	if t.source != nil {
		t.source.users.put(c, u)
	} else {
		t.scope.tops.put(c, u)
	}
	t.roots.put(c, true)
	t.cidrs = append(t.cidrs, c.String())
	if deeper := t.scope.over.get(c); deeper == nil || (*deeper).depth < t.depth {
		t.scope.over.put(c, t)
	}
}
