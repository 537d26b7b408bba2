package migration

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// TerraformOptions are the settings of [Deployment.WriteTerraform].
type TerraformOptions struct {
	// WithoutImport leaves the import blocks out: the configuration then makes the objects
	// of an empty deployment, and does not take over those that exist.
	WithoutImport bool
}

// WriteTerraform writes the deployment's content as a Terraform configuration for the AWS
// provider, with an import block for each object. Settings that the provider has no
// resource for are terraform_data resources that call the AWS CLI.
func (d *Deployment) WriteTerraform(w io.Writer, o TerraformOptions) error {
	t := &terraform{w: bufio.NewWriter(w), o: o, used: map[string]bool{}, pools: map[*Pool]string{}, cidrs: map[*Pool]map[netip.Prefix]string{}}
	if d.IPAM != nil {
		t.ipam(d)
	}
	return t.w.Flush()
}

// terraform writes a configuration.
type terraform struct {
	w     *bufio.Writer // keeps its error for Flush
	o     TerraformOptions
	used  map[string]bool                   // addresses of resources
	pools map[*Pool]string                  // addresses
	cidrs map[*Pool]map[netip.Prefix]string // addresses of the resources of pools' CIDRs
}

// attribute is an argument of a block. Its value is HCL; a value of several lines is
// written as it is.
type attribute struct{ name, value string }

// text returns an attribute with a string, none for "".
func text(name, value string) []attribute {
	if value == "" {
		return nil
	}
	return []attribute{{name, hclString(value)}}
}

func flagAttribute(name string, value bool) []attribute {
	if !value {
		return nil
	}
	return []attribute{{name, "true"}}
}

func lengthAttribute(name string, n *int) []attribute {
	if n == nil {
		return nil
	}
	return []attribute{{name, strconv.Itoa(*n)}}
}

// tagsAttribute returns an attribute with a map of strings, none for an empty map.
func tagsAttribute(name string, tags ipam.Tags) []attribute {
	if len(tags) == 0 {
		return nil
	}
	var lines []attribute
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		lines = append(lines, attribute{hclString(k), hclString(tags[k])})
	}
	return []attribute{{name, "{\n" + attributes(lines, "    ") + "  }"}}
}

// hclString returns a quoted string of HCL, in which nothing is a template.
func hclString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// attributes writes attributes as `terraform fmt` does: the equals signs of neighbours
// that have one line each are below one another.
func attributes(all []attribute, indent string) string {
	single := func(a attribute) bool { return !strings.Contains(a.value, "\n") }
	var b strings.Builder
	for len(all) > 0 {
		n, width := 0, 0
		for n < len(all) && single(all[n]) {
			width = max(width, len([]rune(all[n].name)))
			n++
		}
		if n == 0 {
			fmt.Fprintf(&b, "%s%s = %s\n", indent, all[0].name, all[0].value)
			all = all[1:]
			continue
		}
		for _, a := range all[:n] {
			fmt.Fprintf(&b, "%s%s%s = %s\n", indent, a.name, strings.Repeat(" ", width-len([]rune(a.name))), a.value)
		}
		all = all[n:]
	}
	return b.String()
}

// resource writes a resource and its import block, and returns the address. blocks are
// nested blocks, as they are written.
func (t *terraform) resource(kind, name, id string, all []attribute, blocks ...string) string {
	label := t.label(kind, name)
	fmt.Fprintf(t.w, "resource %q %q {\n%s", kind, label, attributes(all, "  "))
	for i, block := range blocks {
		if i > 0 || len(all) > 0 {
			fmt.Fprintln(t.w)
		}
		fmt.Fprint(t.w, block)
	}
	fmt.Fprint(t.w, "}\n\n")
	address := kind + "." + label
	if id != "" && !t.o.WithoutImport {
		fmt.Fprintf(t.w, "import {\n  to = %s\n  id = %s\n}\n\n", address, hclString(id))
	}
	return address
}

// label returns an unused label of a resource, made from a name.
func (t *terraform) label(kind, name string) string {
	label := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name), "_")
	if label == "" || label[0] >= '0' && label[0] <= '9' {
		label = "n" + label
	}
	base := label
	for n := 2; t.used[kind+"."+label]; n++ {
		label = fmt.Sprintf("%s_%d", base, n)
	}
	t.used[kind+"."+label] = true
	return label
}

// command writes a resource that calls the AWS CLI when it is created. The input is in the
// command's environment.
func (t *terraform) command(name string, input []attribute, command string) {
	block := "  provisioner \"local-exec\" {\n" + attributes([]attribute{{"command", hclString(command)}, {"environment", "self.input"}}, "    ") + "  }\n"
	t.resource("terraform_data", name, "", []attribute{{"input", "{\n" + attributes(input, "    ") + "  }"}}, block)
}

// tags writes a resource for each tag of an object whose own resource has no tags.
func (t *terraform) tags(name, id, object string, tags ipam.Tags) {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		t.resource("aws_ec2_tag", name+"_"+k, id+","+k, []attribute{{"resource_id", object}, {"key", hclString(k)}, {"value", hclString(tags[k])}})
	}
}

func (t *terraform) ipam(d *Deployment) {
	m := d.IPAM
	var regions []string
	for _, r := range m.OperatingRegions {
		regions = append(regions, "  operating_regions {\n    region_name = "+hclString(r)+"\n  }\n")
	}
	name := cmp.Or(m.Tags[NameTag], "ipam")
	address := t.resource("aws_vpc_ipam", name, m.ID, slices.Concat(
		text("description", m.Description), text("tier", m.Tier), text("metered_account", m.MeteredAccount), flagAttribute("enable_private_gua", m.EnablePrivateGUA), tagsAttribute("tags", m.Tags),
	), regions...)
	discovery := address + ".default_resource_discovery_id"
	t.tags("discovery", m.Discovery, discovery, m.DiscoveryTags)
	for _, path := range m.ExcludedUnits {
		t.command("excluded_unit", []attribute{{"DISCOVERY", discovery}, {"UNIT_PATH", hclString(path)}},
			`aws ec2 describe-ipam-resource-discoveries --ipam-resource-discovery-ids "$DISCOVERY" | grep -qF "\"$UNIT_PATH\"" || `+
				`aws ec2 modify-ipam-resource-discovery --ipam-resource-discovery-id "$DISCOVERY" --add-organizational-unit-exclusions OrganizationsEntityPath="$UNIT_PATH"`)
	}
	for _, s := range d.Scopes {
		t.scope(address, s)
	}
}

func (t *terraform) scope(ipam string, s *Scope) {
	var id string
	if s.isDefault() {
		id = ipam + "." + s.Name + "_default_scope_id"
		t.tags(s.Name+"_scope", s.ID, id, s.Tags)
		if s.Description != "" {
			t.command(s.Name+"_scope", []attribute{{"SCOPE", id}, {"DESCRIPTION", hclString(s.Description)}},
				`aws ec2 modify-ipam-scope --ipam-scope-id "$SCOPE" --description "$DESCRIPTION"`)
		}
	} else {
		id = t.resource("aws_vpc_ipam_scope", s.Name, s.ID, slices.Concat([]attribute{{"ipam_id", ipam + ".id"}}, text("description", s.Description), tagsAttribute("tags", s.allTags()))) + ".id"
	}
	for _, p := range s.Pools {
		t.pool(id, s, p)
	}
	for _, r := range s.Resources {
		input := []attribute{{"SCOPE", id}, {"RESOURCE", hclString(r.ID)}, {"CIDR", hclString(r.CIDR)}, {"RESOURCE_REGION", hclString(r.Region)}}
		const modify = `aws ec2 modify-ipam-resource-cidr --resource-id "$RESOURCE" --resource-cidr "$CIDR" --resource-region "$RESOURCE_REGION"`
		switch {
		case s.isDefault():
			t.command(r.ID+"_"+r.CIDR, input, modify+` --current-ipam-scope-id "$SCOPE" --no-monitored`)
		default: // is in the default scope first
			monitored := map[bool]string{true: " --no-monitored", false: " --monitored"}[r.Ignored]
			input = append(input, attribute{"DEFAULT_SCOPE", ipam + ".private_default_scope_id"})
			t.command(r.ID+"_"+r.CIDR, input, `aws ec2 get-ipam-resource-cidrs --ipam-scope-id "$SCOPE" --resource-id "$RESOURCE" | grep -qF "\"$CIDR\"" || `+
				modify+` --current-ipam-scope-id "$DEFAULT_SCOPE" --destination-ipam-scope-id "$SCOPE"`+monitored)
		}
	}
}

func (t *terraform) pool(scope string, s *Scope, p *Pool) {
	name := s.Name + "_" + p.Name
	all := slices.Concat([]attribute{{"ipam_scope_id", scope}}, text("address_family", p.Family))
	var sourceCIDRs map[netip.Prefix]string
	if p.Source != "" {
		source := s.Pools[slices.IndexFunc(s.Pools, func(q *Pool) bool { return q.Name == p.Source })]
		all = append(all, attribute{"source_ipam_pool_id", t.pools[source] + ".id"})
		sourceCIDRs = t.cidrs[source]
	}
	all = slices.Concat(all, text("locale", p.Locale), text("description", p.Description), flagAttribute("auto_import", p.AutoImport))
	if p.PubliclyAdvertisable != nil {
		all = append(all, attribute{"publicly_advertisable", strconv.FormatBool(*p.PubliclyAdvertisable)})
	}
	all = slices.Concat(all, text("aws_service", p.AWSService), text("public_ip_source", p.PublicIPSource),
		lengthAttribute("allocation_min_netmask_length", p.MinLength), lengthAttribute("allocation_max_netmask_length", p.MaxLength), lengthAttribute("allocation_default_netmask_length", p.DefaultLength),
		tagsAttribute("allocation_resource_tags", p.RuleTags), tagsAttribute("tags", p.allTags()))
	var blocks []string
	if r := p.SourceResource; r != nil {
		blocks = append(blocks, "  source_resource {\n"+attributes([]attribute{
			{"resource_id", hclString(r.ID)}, {"resource_owner", hclString(r.Owner)}, {"resource_region", hclString(r.Region)}, {"resource_type", `"vpc"`},
		}, "    ")+"  }\n")
	}
	address := t.resource("aws_vpc_ipam_pool", name, p.ID, all, blocks...)
	own := map[netip.Prefix]string{}
	t.pools[p], t.cidrs[p] = address, own
	for _, text := range p.CIDRs {
		made := t.under("aws_vpc_ipam_pool_cidr", name+"_"+text, text+"_"+p.ID, text, address, "", sourceCIDRs)
		if c, err := netip.ParsePrefix(text); err == nil {
			own[c] = made
		}
	}
	for _, principal := range p.Shares {
		t.command(name+"_"+principal, []attribute{{"POOL", address + ".id"}, {"PRINCIPAL", hclString(principal)}},
			`aws cadastre put-ipam-pool-share --ipam-pool-id "$POOL" --principal "$PRINCIPAL"`)
	}
	for _, a := range p.Allocations {
		if a.Owner != "" {
			fmt.Fprintf(t.w, "# The account %s owns the allocation %s of the pool %s.\n", a.Owner, a.CIDR, p.Name)
		}
		made := t.under("aws_vpc_ipam_pool_cidr_allocation", name+"_"+a.CIDR, a.ID+"_"+p.ID, a.CIDR, address, a.Description, own)
		t.tags(name+"_"+a.CIDR, a.ID, made+".ipam_pool_allocation_id", a.Tags)
	}
}

// under writes a resource for a CIDR of a pool, which depends on the CIDR over it.
func (t *terraform) under(kind, name, id, cidr, pool, description string, over map[netip.Prefix]string) string {
	all := slices.Concat([]attribute{{"ipam_pool_id", pool + ".id"}}, text("cidr", cidr), text("description", description))
	if c, err := netip.ParsePrefix(cidr); err == nil {
		for bits := c.Bits(); bits >= 0; bits-- {
			if address := over[netip.PrefixFrom(c.Addr(), bits).Masked()]; address != "" {
				all = append(all, attribute{"depends_on", "[" + address + "]"})
				break
			}
		}
	}
	return t.resource(kind, name, id, all)
}
