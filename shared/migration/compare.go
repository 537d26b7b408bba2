package migration

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Difference is a value that two deployments have differently.
type Difference struct {
	Object string `json:"object"`
	A      string `json:"a"` // "" if the first one does not have it
	B      string `json:"b"`
}

// Compare returns the differences between two deployments of the same network, sorted by
// object: of their settings, scopes, pools, CIDRs, shares and custom allocations, and of the
// statuses of their VPCs and subnets. It leaves out ids, the home Regions, default VPCs, and
// the CIDRs of top-level pools in the public scope.
func Compare(a, b *Deployment) []Difference {
	first, second := flatten(a), flatten(b)
	for _, home := range []string{a.HomeRegion, b.HomeRegion} {
		delete(first, "operating Region "+home)
		delete(second, "operating Region "+home)
	}
	var differences []Difference
	keys := maps.Clone(first)
	maps.Copy(keys, second)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if first[key] != second[key] {
			differences = append(differences, Difference{key, first[key], second[key]})
		}
	}
	return differences
}

// flat maps the name of an object or setting to its value.
type flat map[string]string

// put adds a value, unless it is empty: a setting that is missing equals an empty one.
func (f flat) put(key, value string) {
	if value != "" {
		f[key] = value
	}
}

func (f flat) tags(of string, tags ipam.Tags) {
	for k, v := range tags {
		f[of+" tag "+k] = strconv.Quote(v) // an empty one is not a missing one
	}
}

func flatten(d *Deployment) flat {
	f := flat{}
	if m := d.IPAM; m != nil {
		f.put("IPAM description", m.Description)
		f.put("IPAM tier", m.Tier)
		f.put("IPAM metered account", m.MeteredAccount)
		f.put("IPAM private global unicast addresses", flagText(m.EnablePrivateGUA))
		f.tags("IPAM", m.Tags)
		f.tags("resource discovery", m.DiscoveryTags)
		for _, r := range m.OperatingRegions {
			f["operating Region "+r] = "yes"
		}
		for _, path := range m.ExcludedUnits {
			f["excluded unit "+path] = "yes"
		}
	}
	for _, s := range d.Scopes {
		f.scope(d, s)
	}
	return f
}

func (f flat) scope(d *Deployment, s *Scope) {
	name := "scope " + s.Name
	f[name] = "yes"
	f.put(name+" description", s.Description)
	f.tags(name, s.allTags())
	ids := map[string]string{} // of pools, to names
	for _, p := range s.Pools {
		ids[p.ID] = p.Name
		f.pool(s, p)
	}
	for _, l := range d.Live[s.ID] {
		if !ipam.Within(l.CIDR, defaultVPC) {
			status := []string{l.Management, l.Compliance, l.Overlap, ids[l.PoolID]}
			f[fmt.Sprintf("resource %s/%s %s", s.Name, l.CIDR, l.ID)] = strings.TrimSpace(strings.Join(status, " "))
		}
	}
}

func (f flat) pool(s *Scope, p *Pool) {
	name := "pool " + s.Name + "/" + p.Name
	f[name] = strings.TrimSpace(p.Family + " " + p.Source)
	f.put(name+" locale", p.Locale)
	f.put(name+" description", p.Description)
	f.put(name+" automatic import", flagText(p.AutoImport))
	f.put(name+" AWS service", p.AWSService)
	f.put(name+" public IP source", p.PublicIPSource)
	f.put(name+" publicly advertisable", flagText(p.PubliclyAdvertisable != nil && *p.PubliclyAdvertisable))
	f.put(name+" minimum length", lengthText(p.MinLength))
	f.put(name+" maximum length", lengthText(p.MaxLength))
	f.put(name+" default length", lengthText(p.DefaultLength))
	f.tags(name+" resource", p.RuleTags)
	f.tags(name, p.allTags())
	if r := p.SourceResource; r != nil {
		f[name+" source resource"] = r.ID + " " + r.Owner + " " + r.Region
	}
	for _, text := range p.CIDRs {
		if c, err := netip.ParsePrefix(text); err == nil && (s.Name != PublicScope || p.Source != "") {
			f[name+" "+c.String()] = "yes"
		}
	}
	for _, principal := range p.Shares {
		f[name+" share "+principal] = "yes"
	}
	for _, a := range p.Allocations {
		allocation := "allocation " + s.Name + "/" + p.Name + " " + a.CIDR
		f[allocation] = "yes"
		f.put(allocation+" account", a.Owner)
		f.put(allocation+" description", a.Description)
		f.tags(allocation, a.Tags)
	}
}
