package migration

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// CloudFormationOptions are the settings of [Deployment.CloudFormation].
type CloudFormationOptions struct {
	// Amazon writes the types of Amazon VPC IPAM, AWS::EC2::IPAM…, instead of Cadastre's
	// custom resources.
	Amazon bool
	// Prefix begins the names of the templates' exports; "" is cadastre-ipam.
	Prefix string
}

// The limits of a template (AWS CloudFormation User Guide, "Understand CloudFormation
// quotas"). A template that exports values to others has as many resources as it may have
// outputs, so that each can be exported.
const (
	maxResources = 500
	maxOutputs   = 200
	maxTemplate  = 900_000 // bytes, of 1 MB
)

// CloudFormation returns the deployment's content as templates, in the order in which
// stacks are to be made of them: several if one would be too large. A later template
// imports the values that an earlier one exports.
//
// omitted describes the settings that no template can have.
func (d *Deployment) CloudFormation(o CloudFormationOptions) (templates [][]byte, omitted []string, err error) {
	c := &cloudFormation{o: o, used: map[string]bool{}, home: map[string]int{}}
	if c.o.Prefix == "" {
		c.o.Prefix = "cadastre-ipam"
	}
	if d.IPAM != nil {
		c.ipam(d)
	}
	for _, part := range c.parts() {
		t, err := json.MarshalIndent(part, "", "  ")
		if err != nil {
			return nil, nil, err
		}
		templates = append(templates, append(t, '\n'))
	}
	return templates, c.omitted, nil
}

// cloudFormation collects the resources of templates.
type cloudFormation struct {
	o         CloudFormationOptions
	used      map[string]bool
	resources []cfnResource
	omitted   []string
	home      map[string]int // logical id to the template that has the resource
}

// cfnResource is a resource of a template. Its properties may have references.
type cfnResource struct {
	id         string
	kind       string
	properties map[string]any
	after      string // logical id of a resource that must exist before; "" for none
}

// reference is the value of a resource: its id, or an attribute.
type reference struct{ id, attribute string }

// template is a template.
type template struct {
	AWSTemplateFormatVersion string
	Description              string
	Parameters               map[string]any `json:",omitempty"`
	Resources                map[string]any
	Outputs                  map[string]any `json:",omitempty"`
}

// add adds a resource and returns its logical id.
func (c *cloudFormation) add(kind, name, after string, properties map[string]any) string {
	id := logicalID(name)
	base := id
	for n := 2; c.used[id]; n++ {
		id = fmt.Sprintf("%sX%d", base, n)
	}
	c.used[id] = true
	maps.DeleteFunc(properties, func(_ string, v any) bool { return empty(v) })
	c.resources = append(c.resources, cfnResource{id, kind, properties, after})
	return id
}

// empty reports whether a property is to be left out.
func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case *bool:
		return v == nil
	case *int:
		return v == nil
	case []map[string]string:
		return len(v) == 0
	}
	return false
}

// logicalID returns a text of letters and digits made from a name.
func logicalID(name string) string {
	const longest = 200 // of 255, so that a number fits behind it
	words := strings.FieldsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	id := strings.Join(words, "")
	return id[:min(len(id), longest)]
}

func (c *cloudFormation) omit(format string, args ...any) {
	c.omitted = append(c.omitted, fmt.Sprintf(format, args...))
}

func cfnTags(tags ipam.Tags) []map[string]string {
	var list []map[string]string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, map[string]string{"Key": k, "Value": tags[k]})
	}
	return list
}

func cfnList(member string, values []string) []map[string]string {
	var list []map[string]string
	for _, v := range values {
		list = append(list, map[string]string{member: v})
	}
	return list
}

func (c *cloudFormation) ipam(d *Deployment) {
	m := d.IPAM
	id := c.add("IPAM", "Ipam", "", map[string]any{
		"Description": m.Description, "Tags": cfnTags(m.Tags), "OperatingRegions": cfnList("RegionName", m.OperatingRegions), "Tier": m.Tier, "MeteredAccount": m.MeteredAccount,
		"EnablePrivateGua": m.EnablePrivateGUA, "DefaultResourceDiscoveryOrganizationalUnitExclusions": cfnList("OrganizationsEntityPath", m.ExcludedUnits),
	})
	if len(m.DiscoveryTags) > 0 {
		c.omit("the tags of the default resource discovery")
	}
	for _, s := range d.Scopes {
		scope := reference{id, map[string]string{PrivateScope: "PrivateDefaultScopeId", PublicScope: "PublicDefaultScopeId"}[s.Name]}
		if !s.isDefault() {
			made := c.add("IPAMScope", "Scope "+s.Name, "", map[string]any{"IpamId": reference{id: id}, "Description": s.Description, "Tags": cfnTags(s.allTags())})
			scope = reference{id: made}
		} else if s.Description != "" || len(s.Tags) > 0 {
			c.omit("the description and the tags of the scope %s, which is made with the IPAM", s.Name)
		}
		c.pools(s, scope)
		for _, r := range s.Resources {
			c.omit("the settings of %s with %s in the scope %s", r.ID, r.CIDR, s.Name)
		}
	}
}

func (c *cloudFormation) pools(s *Scope, scope reference) {
	ids := map[string]string{} // by name
	cidrs := map[string]map[netip.Prefix]string{}
	for _, p := range s.Pools {
		name := s.Name + " " + p.Name
		properties := map[string]any{
			"IpamScopeId": scope, "AddressFamily": p.Family, "Locale": p.Locale, "Description": p.Description, "AutoImport": p.AutoImport, "AwsService": p.AWSService,
			"PublicIpSource": p.PublicIPSource, "PubliclyAdvertisable": p.PubliclyAdvertisable, "AllocationMinNetmaskLength": p.MinLength, "AllocationMaxNetmaskLength": p.MaxLength,
			"AllocationDefaultNetmaskLength": p.DefaultLength, "AllocationResourceTags": cfnTags(p.RuleTags), "Tags": cfnTags(p.allTags()),
		}
		if p.Source != "" {
			properties["SourceIpamPoolId"] = reference{id: ids[p.Source]}
		}
		if r := p.SourceResource; r != nil {
			properties["SourceResource"] = map[string]string{"ResourceId": r.ID, "ResourceOwner": r.Owner, "ResourceRegion": r.Region, "ResourceType": "vpc"}
		}
		id := c.add("IPAMPool", "Pool "+name, "", properties)
		ids[p.Name], cidrs[p.Name] = id, map[netip.Prefix]string{}
		for _, text := range p.CIDRs {
			made := c.add("IPAMPoolCidr", "Cidr "+name+" "+text, smallestOver(cidrs[p.Source], text), map[string]any{"IpamPoolId": reference{id: id}, "Cidr": text})
			if parsed, err := netip.ParsePrefix(text); err == nil {
				cidrs[p.Name][parsed] = made
			}
		}
		if len(p.Shares) > 0 {
			c.omit("the shares of the pool %s: %s", p.Name, strings.Join(p.Shares, ", "))
		}
		for _, a := range p.Allocations {
			c.allocation(p, name, a, id, smallestOver(cidrs[p.Name], a.CIDR))
		}
	}
}

func (c *cloudFormation) allocation(p *Pool, name string, a *Allocation, pool, after string) {
	properties := map[string]any{"IpamPoolId": reference{id: pool}, "Cidr": a.CIDR, "Description": a.Description}
	left := maps.Clone(a.Tags)
	if key, ok := left[ipam.StableKeyTag]; ok && !c.o.Amazon {
		properties["StableKey"] = key
		delete(left, ipam.StableKeyTag)
	}
	if len(left) > 0 {
		c.omit("the tags of the allocation %s of the pool %s", a.CIDR, p.Name)
	}
	if a.Owner != "" {
		c.omit("the owner %s of the allocation %s of the pool %s", a.Owner, a.CIDR, p.Name)
	}
	c.add("IPAMAllocation", "Allocation "+name+" "+a.CIDR, after, properties)
}

// smallestOver returns the value of the smallest CIDR that contains another, "" if none
// does.
func smallestOver(cidrs map[netip.Prefix]string, text string) string {
	c, err := netip.ParsePrefix(text)
	if err != nil {
		return ""
	}
	for bits := c.Bits(); bits >= 0; bits-- {
		if id := cidrs[netip.PrefixFrom(c.Addr(), bits).Masked()]; id != "" {
			return id
		}
	}
	return ""
}

// parts divides the resources into templates.
func (c *cloudFormation) parts() []*template {
	most := maxResources
	sizes := make([]int, len(c.resources))
	total := 0
	for i, r := range c.resources {
		b, _ := json.Marshal(r.properties) // maps of texts
		sizes[i] = 2*len(b) + 400
		total += sizes[i]
	}
	if len(c.resources) > maxResources || total > maxTemplate {
		most = maxOutputs - 2 // the IPAM has two attributes besides its id
	}
	var parts []*template
	count, size := 0, 0 // of the last part
	for i, r := range c.resources {
		if n := len(parts); n == 0 || count >= most || size+sizes[i] > maxTemplate {
			parts = append(parts, c.newTemplate(n+1))
			count, size = 0, 0
		}
		count++
		size += sizes[i]
		c.home[r.id] = len(parts) - 1
	}
	for _, r := range c.resources {
		at := c.home[r.id]
		parts[at].Resources[r.id] = c.show(parts, at, r)
	}
	return parts
}

func (c *cloudFormation) newTemplate(n int) *template {
	t := &template{AWSTemplateFormatVersion: "2010-09-09", Description: fmt.Sprintf("The content of an IPAM, part %d", n), Resources: map[string]any{}}
	if !c.o.Amazon {
		t.Parameters = map[string]any{"ServiceToken": map[string]string{"Type": "String", "Description": "The output CustomResourceFunctionArn of the service stack, or ServiceToken of a forwarder"}}
	}
	return t
}

// cfnTypes are Cadastre's types.
var cfnTypes = map[string]string{
	"IPAM": "Custom::Ipam", "IPAMScope": "Custom::IpamScope", "IPAMPool": "Custom::IpamPool", "IPAMPoolCidr": "Custom::IpamPoolCidr", "IPAMAllocation": "Custom::IpamAllocation",
}

// show returns a resource as it is in the template at.
func (c *cloudFormation) show(parts []*template, at int, r cfnResource) map[string]any {
	properties := map[string]any{}
	if !c.o.Amazon {
		properties["ServiceToken"] = map[string]string{"Ref": "ServiceToken"}
	}
	for k, v := range r.properties {
		if ref, ok := v.(reference); ok {
			v = c.refer(parts, at, ref)
		}
		properties[k] = v
	}
	kind := "AWS::EC2::" + r.kind
	if !c.o.Amazon {
		kind = cfnTypes[r.kind]
	}
	out := map[string]any{"Type": kind, "Properties": properties}
	if r.after != "" && c.home[r.after] == at {
		out["DependsOn"] = r.after
	}
	return out
}

// refer returns the function for a reference from the template at, and exports the value
// if another template has the resource.
func (c *cloudFormation) refer(parts []*template, at int, r reference) any {
	var value any = map[string]any{"Ref": r.id}
	if r.attribute != "" {
		value = map[string]any{"Fn::GetAtt": []string{r.id, r.attribute}}
	}
	home := c.home[r.id]
	if home == at {
		return value
	}
	name := c.o.Prefix + "-" + r.id + r.attribute
	if parts[home].Outputs == nil {
		parts[home].Outputs = map[string]any{}
	}
	parts[home].Outputs[r.id+r.attribute] = map[string]any{"Value": value, "Export": map[string]string{"Name": name}}
	return map[string]string{"Fn::ImportValue": name}
}
