package migration

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Format is the value of [Document.Format] that this package reads and writes.
const Format = "cadastre-ipam-1"

// The names of the default scopes. Every other scope is private.
const (
	PrivateScope = "private"
	PublicScope  = "public"
)

// NameTag is the tag with the name of a scope or pool.
const NameTag = "Name"

// Document is the content of an IPAM. Its texts are as they were given: [NewPlan] checks
// them. The zero Document is empty.
type Document struct {
	Format string   `json:"format"`
	IPAM   *IPAM    `json:"ipam,omitempty"` // nil if the document says nothing about the IPAM itself
	Scopes []*Scope `json:"scopes"`
}

// IPAM has the settings of an IPAM and of its default resource discovery.
type IPAM struct {
	Description      string    `json:"description,omitempty"`
	Tags             ipam.Tags `json:"tags,omitempty"`
	OperatingRegions []string  `json:"operatingRegions,omitempty"`
	Tier             string    `json:"tier,omitempty"`           // "" is the default, advanced
	MeteredAccount   string    `json:"meteredAccount,omitempty"` // "" is the default, ipam-owner
	EnablePrivateGUA bool      `json:"enablePrivateGua,omitempty"`
	ExcludedUnits    []string  `json:"excludedUnits,omitempty"` // paths of organizational units
	DiscoveryTags    ipam.Tags `json:"discoveryTags,omitempty"`

	Line int `json:"-"`
	// The ids in a deployment; "" before the IPAM is made.
	ID, Discovery string `json:"-"`
}

// Scope is a scope with its pools. A pool is listed behind its source.
type Scope struct {
	Name        string    `json:"name"` // unique; [PrivateScope] and [PublicScope] are the default scopes
	Description string    `json:"description,omitempty"`
	Tags        ipam.Tags `json:"tags,omitempty"`
	Existing    bool      `json:"existing,omitempty"` // the document does not describe it: the deployment must have it
	Pools       []*Pool   `json:"pools,omitempty"`
	// Allocations are those for which the document names no pool. Each is for the pool
	// that has the smallest CIDR over it.
	Allocations []*Allocation `json:"allocations,omitempty"`
	// Resources are the CIDRs of VPCs that are ignored, or that a user has moved here from
	// the default scope. Discovery finds all other resources by itself.
	Resources []*Resource `json:"resources,omitempty"`

	Line   int    `json:"-"`
	Faulty bool   `json:"-"` // the reader has a finding on it
	ID     string `json:"-"` // in a deployment; "" before the scope is made
}

// Resource is a CIDR of a VPC.
type Resource struct {
	ID      string `json:"id"`
	CIDR    string `json:"cidr"`
	Region  string `json:"region"`
	Ignored bool   `json:"ignored,omitempty"`

	Line int `json:"-"`
}

// Pool is a pool. Its name is unique in the scope, and other pools and lines refer to
// it. If the name does not begin with # and Tags has no [NameTag], the pool gets the name
// as that tag.
type Pool struct {
	Name                 string          `json:"name"`
	Source               string          `json:"source,omitempty"` // the name of the source pool
	Family               string          `json:"family,omitempty"` // ipv4 or ipv6; "" is the family of the first CIDR, or else of the source
	Locale               string          `json:"locale,omitempty"` // "" is the source's
	Description          string          `json:"description,omitempty"`
	AutoImport           bool            `json:"autoImport,omitempty"`
	PubliclyAdvertisable *bool           `json:"publiclyAdvertisable,omitempty"`
	AWSService           string          `json:"awsService,omitempty"`
	PublicIPSource       string          `json:"publicIpSource,omitempty"`
	MinLength            *int            `json:"minNetmaskLength,omitempty"`
	MaxLength            *int            `json:"maxNetmaskLength,omitempty"`
	DefaultLength        *int            `json:"defaultNetmaskLength,omitempty"`
	RuleTags             ipam.Tags       `json:"resourceTags,omitempty"` // tags that resources must have
	SourceResource       *SourceResource `json:"sourceResource,omitempty"`
	Tags                 ipam.Tags       `json:"tags,omitempty"`
	Existing             bool            `json:"existing,omitempty"` // the document does not describe it: the deployment must have it
	CIDRs                []string        `json:"cidrs,omitempty"`
	Shares               []string        `json:"shares,omitempty"` // principals
	Allocations          []*Allocation   `json:"allocations,omitempty"`

	Line   int    `json:"-"`
	Faulty bool   `json:"-"` // the reader has a finding on it
	ID     string `json:"-"` // in a deployment; "" before the pool is made
}

// SourceResource is the VPC of a resource planning pool.
type SourceResource struct {
	ID     string `json:"id"`
	Owner  string `json:"owner"`
	Region string `json:"region"`
}

// Allocation is a custom allocation.
type Allocation struct {
	CIDR        string    `json:"cidr"`
	Owner       string    `json:"owner,omitempty"` // account; "" is the account that imports
	Description string    `json:"description,omitempty"`
	Tags        ipam.Tags `json:"tags,omitempty"`

	Line int    `json:"-"`
	ID   string `json:"-"` // in a deployment; "" before the allocation is made
}

// scope returns the scope of that name, which it adds if the document has none.
func (d *Document) scope(name string) *Scope {
	for _, s := range d.Scopes {
		if s.Name == name {
			return s
		}
	}
	s := &Scope{Name: name, Existing: true}
	d.Scopes = append(d.Scopes, s)
	return s
}

// newIPAM returns the IPAM for a document that describes none: with the Regions of its
// pools. It returns nil for a document that describes neither pools nor scopes.
func (d *Document) newIPAM() *IPAM {
	var m *IPAM
	for _, s := range d.Scopes {
		if m == nil && !s.Existing {
			m = &IPAM{}
		}
		for _, p := range s.Pools {
			if p.Existing {
				continue
			}
			if m == nil {
				m = &IPAM{}
			}
			if ipam.IsRegion(p.Locale) && !slices.Contains(m.OperatingRegions, p.Locale) {
				m.OperatingRegions = append(m.OperatingRegions, p.Locale)
			}
		}
	}
	return m
}

// isDefault reports whether the scope is one with which an IPAM is created.
func (s *Scope) isDefault() bool { return s.Name == PrivateScope || s.Name == PublicScope }

// allTags returns the tags of an object with a name.
func allTags(name string, tags ipam.Tags) ipam.Tags {
	if _, has := tags[NameTag]; has || name == "" || strings.HasPrefix(name, "#") {
		return tags
	}
	all := ipam.Tags{NameTag: name}
	maps.Copy(all, tags)
	return all
}

func (s *Scope) allTags() ipam.Tags {
	if s.isDefault() {
		return s.Tags
	}
	return allTags(s.Name, s.Tags)
}

func (p *Pool) allTags() ipam.Tags { return allTags(p.Name, p.Tags) }

// family returns the family that a pool has or gets; source is nil at the top level.
func (p *Pool) family(source *Pool) string {
	if p.Family == "" && len(p.CIDRs) > 0 {
		if c, err := netip.ParsePrefix(p.CIDRs[0]); err == nil {
			return ipam.FamilyOf(c).String()
		}
	}
	if p.Family == "" && source != nil {
		return source.Family
	}
	return p.Family
}

// arrange gives each scope and pool its name and puts everything in an order that depends
// on the content only, and not on ids. sources maps a pool to its source pool.
//
// A name is the tag Name, or else # and the first CIDR. A second object of the same name
// gets a number.
func (d *Document) arrange(sources map[*Pool]*Pool) {
	d.Format = Format
	if d.IPAM != nil {
		slices.Sort(d.IPAM.OperatingRegions)
		slices.Sort(d.IPAM.ExcludedUnits)
	}
	sums := map[*Scope]string{}
	for _, s := range d.Scopes {
		sums[s] = s.arrange(sources)
	}
	rank := map[string]int{PrivateScope: -2, PublicScope: -1}
	slices.SortFunc(d.Scopes, func(a, b *Scope) int {
		return cmp.Or(cmp.Compare(rank[a.Name], rank[b.Name]), cmp.Compare(plainName(a.Tags), plainName(b.Tags)), cmp.Compare(sums[a], sums[b]))
	})
	used := map[string]bool{PrivateScope: true, PublicScope: true}
	for _, s := range d.Scopes {
		if !s.isDefault() {
			s.Name = unused(used, cmp.Or(plainName(s.Tags), "#scope"))
		}
	}
}

// arrange arranges the scope's pools, and returns a sum of all that is in the scope.
func (s *Scope) arrange(sources map[*Pool]*Pool) string {
	children := map[*Pool][]*Pool{}
	for _, p := range s.Pools {
		p.sort()
		children[sources[p]] = append(children[sources[p]], p)
	}
	sums := map[*Pool]string{}
	var order func(list []*Pool) string
	order = func(list []*Pool) string {
		var all []string
		for _, p := range list {
			bare := *p
			bare.Name, bare.Source = "", ""
			sums[p] = sum(bare, order(children[p]))
			all = append(all, sums[p])
		}
		slices.SortFunc(list, func(a, b *Pool) int {
			return cmp.Or(cmp.Compare(plainName(a.Tags), plainName(b.Tags)), compareCIDRs(a.firstCIDR(), b.firstCIDR()), cmp.Compare(sums[a], sums[b]))
		})
		slices.Sort(all)
		return sum(all)
	}
	slices.SortFunc(s.Resources, func(a, b *Resource) int {
		return cmp.Or(compareCIDRs(a.CIDR, b.CIDR), cmp.Compare(a.ID, b.ID))
	})
	total := sum(s.Resources, order(children[nil]))
	used := map[string]bool{}
	s.Pools = s.Pools[:0]
	var name func(list []*Pool)
	name = func(list []*Pool) {
		for _, p := range list {
			p.Name = unused(used, cmp.Or(plainName(p.Tags), "#"+cmp.Or(p.firstCIDR(), "pool")))
			if source := sources[p]; source != nil {
				p.Source = source.Name
			}
			s.Pools = append(s.Pools, p)
			name(children[p])
		}
	}
	name(children[nil])
	return sum(s.Description, s.Tags, total)
}

// sort puts the pool's CIDRs, shares and allocations in order.
func (p *Pool) sort() {
	slices.SortFunc(p.CIDRs, compareCIDRs)
	slices.Sort(p.Shares)
	slices.SortFunc(p.Allocations, func(a, b *Allocation) int { return compareCIDRs(a.CIDR, b.CIDR) })
}

func (p *Pool) firstCIDR() string {
	if len(p.CIDRs) == 0 {
		return ""
	}
	return p.CIDRs[0]
}

// compareCIDRs compares by address and then by length. A text that is no CIDR is first.
func compareCIDRs(a, b string) int {
	x, _ := netip.ParsePrefix(a)
	y, _ := netip.ParsePrefix(b)
	return cmp.Or(x.Addr().Compare(y.Addr()), cmp.Compare(x.Bits(), y.Bits()), cmp.Compare(a, b))
}

// plainName returns the tag Name in the form of a name in files: without control
// characters, and without spaces at its ends.
func plainName(tags ipam.Tags) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, tags[NameTag]))
}

// unused returns a name that was not used before.
func unused(used map[string]bool, base string) string {
	name := base
	for n := 2; used[name]; n++ {
		name = fmt.Sprintf("%s (%d)", base, n)
	}
	used[name] = true
	return name
}

// sum returns a digest of values that JSON can have.
func sum(values ...any) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(values) // neither the values nor the hash fail
	return hex.EncodeToString(h.Sum(nil))
}
