package migration

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// The types of a CSV file's rows.
const (
	rowIPAM       = "ipam"
	rowScope      = "scope"
	rowPool       = "pool"
	rowAllocation = "allocation" // also a row without a type
	rowResource   = "resource"
)

// maxFile is the size of the largest file that is read, in bytes.
const maxFile = 1 << 30

// ReadCSV reads a document from a CSV file: one that [Document.WriteCSV] wrote, or a
// spreadsheet's with the columns that m maps. The columns may be in any order, and may be
// missing. A row without a type is an allocation; one without a scope is in the default
// private scope; one without a pool is for the smallest CIDR over it.
//
// The findings are on rows that cannot be read. An error concerns the whole file.
func ReadCSV(r io.Reader, m Mapping) (*Document, []Finding, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxFile {
		return nil, nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	}
	text := decodeText(b)
	comma, text, skipped := findDelimiter(text)
	if m.Delimiter != "" {
		comma = m.Delimiter[0]
	}
	c := &csvReader{document: &Document{Format: Format}, scopes: map[string]*Scope{}, pools: map[[2]string]*Pool{}}
	var h *header
	for r := range scan(text, comma) {
		r.line += skipped
		switch {
		case r.blank():
		case h == nil && r.fault != "":
			return nil, nil, fmt.Errorf("line %d: %s", r.line, r.fault)
		case h == nil:
			found, findings, err := readHeader(r, m)
			if err != nil {
				return nil, nil, err
			}
			h, c.findings = &found, findings
		case r.fault != "":
			c.add(r.line, KindRow, excerpt(r.cells[0]), r.fault, "Correct the quotation marks of the line.")
		default:
			c.read(h.row(r, m))
		}
	}
	if h == nil {
		return nil, nil, errors.New("the file is empty")
	}
	return c.document, c.findings, nil
}

// csvReader builds a document from rows.
type csvReader struct {
	document *Document
	findings []Finding
	scopes   map[string]*Scope
	pools    map[[2]string]*Pool // by the names of scope and pool
}

func (c *csvReader) add(line int, kind Kind, object, message, next string) {
	c.findings = append(c.findings, Finding{line, kind, object, message, next})
}

// read takes a row into the document, or adds a finding.
func (c *csvReader) read(r row) {
	kind := strings.ToLower(cmp.Or(r.cells["type"], rowAllocation))
	object := cmp.Or(r.cells["cidr"], r.cells["address"], r.cells["pool"], r.cells["scope"], kind)
	if kind == rowPool || kind == rowScope {
		object = cmp.Or(r.cells[kind], kind)
	}
	if r.excess {
		c.add(r.line, KindRow, excerpt(object), "The line has more cells than the first line has headers.", "Put a cell that contains the delimiter into quotation marks, or remove the excess cells.")
		return
	}
	p := &cellParser{row: r}
	var take func()
	switch kind {
	case rowIPAM:
		take = c.ipam(p)
	case rowScope:
		take = c.scopeRow(p)
	case rowPool:
		take = c.poolRow(p)
	case rowAllocation:
		take = c.allocation(p)
	case rowResource:
		take = c.resource(p)
	default:
		c.add(r.line, KindRow, excerpt(object), fmt.Sprintf("%q is no type of a line.", excerpt(kind)), "Write ipam, scope, pool, allocation or resource, or map the value in the mapping file.")
		return
	}
	if p.err != nil {
		c.add(r.line, KindRow, excerpt(object), fmt.Sprintf("The column %s cannot be read: %v.", p.column, p.err), "Correct the cell.")
		if kind == rowPool {
			c.pool(r.cells["scope"], r.cells["pool"]).Faulty = true
		}
		if kind == rowScope {
			c.scope(r.cells["scope"]).Faulty = true
		}
		return
	}
	take()
}

// scope returns the scope of that name; "" is the default private one.
func (c *csvReader) scope(name string) *Scope {
	name = cmp.Or(name, PrivateScope)
	s := c.scopes[name]
	if s == nil {
		s = c.document.scope(name)
		c.scopes[name] = s
	}
	return s
}

// pool returns the pool of that name in a scope.
func (c *csvReader) pool(scope, name string) *Pool {
	s := c.scope(scope)
	key := [2]string{s.Name, name}
	p := c.pools[key]
	if p == nil {
		p = &Pool{Name: name, Existing: true}
		s.Pools = append(s.Pools, p)
		c.pools[key] = p
	}
	return p
}

func (c *csvReader) ipam(p *cellParser) func() {
	m := &IPAM{
		Line: p.line, Description: p.text("description"), Tags: p.allTags(), OperatingRegions: p.words("regions"), Tier: p.text("tier"), MeteredAccount: p.text("metered_account"),
		EnablePrivateGUA: p.flag("enable_private_gua"), ExcludedUnits: p.words("excluded_units"), DiscoveryTags: p.tags("discovery_tags"),
	}
	return func() {
		if c.document.IPAM != nil {
			c.add(p.line, KindDuplicate, rowIPAM, fmt.Sprintf("Line %d describes the IPAM already.", c.document.IPAM.Line), "Keep one of the lines.")
			return
		}
		c.document.IPAM = m
	}
}

func (c *csvReader) scopeRow(p *cellParser) func() {
	description, tags := p.text("description"), p.allTags()
	return func() {
		s := c.scope(p.text("scope"))
		if s.Line > 0 {
			c.add(p.line, KindDuplicate, excerpt(s.Name), fmt.Sprintf("Line %d describes the scope already.", s.Line), "Keep one of the lines, or give one of the scopes another name.")
			return
		}
		s.Line, s.Existing, s.Description, s.Tags = p.line, false, description, tags
	}
}

func (c *csvReader) poolRow(p *cellParser) func() {
	read := Pool{
		Line: p.line, Name: p.text("pool"), Source: p.text("source"), Family: strings.ToLower(p.text("family")), Locale: p.text("locale"), Description: p.text("description"),
		AutoImport: p.flag("auto_import"), AWSService: p.text("aws_service"), PublicIPSource: p.text("public_ip_source"),
		MinLength: p.length("min_length"), MaxLength: p.length("max_length"), DefaultLength: p.length("default_length"),
		RuleTags: p.tags("resource_tags"), Tags: p.allTags(), Shares: p.words("shares"), SourceResource: p.sourceResource(),
	}
	if p.text("publicly_advertisable") != "" {
		read.PubliclyAdvertisable = new(p.flag("publicly_advertisable"))
	}
	for _, cidr := range p.words("cidr") {
		read.CIDRs = append(read.CIDRs, cidrText(cidr, "", ""))
	}
	if len(read.CIDRs) == 0 && p.text("address") != "" {
		read.CIDRs = []string{cidrText("", p.text("address"), p.text("length"))}
	}
	if read.Name == "" {
		p.fail("pool", errors.New("a pool has a name"))
	}
	return func() {
		pool := c.pool(p.text("scope"), read.Name)
		if pool.Line > 0 {
			c.add(p.line, KindDuplicate, excerpt(pool.Name), fmt.Sprintf("Line %d describes a pool of this name in the same scope already.", pool.Line), "Give one of the pools another name, or keep one of the lines.")
			return
		}
		read.Allocations, read.Faulty = pool.Allocations, pool.Faulty
		*pool = read
	}
}

func (c *csvReader) allocation(p *cellParser) func() {
	a := &Allocation{
		Line: p.line, CIDR: cidrText(p.text("cidr"), p.text("address"), p.text("length")),
		Owner: p.text("account"), Description: p.text("description"), Tags: p.allTags(),
	}
	return func() {
		scope, pool := p.text("scope"), p.text("pool")
		if pool == "" {
			s := c.scope(scope)
			s.Allocations = append(s.Allocations, a)
			return
		}
		in := c.pool(scope, pool)
		in.Allocations = append(in.Allocations, a)
	}
}

func (c *csvReader) resource(p *cellParser) func() {
	r := &Resource{
		Line: p.line, ID: p.text("resource_id"), CIDR: cidrText(p.text("cidr"), p.text("address"), p.text("length")), Region: p.text("locale"), Ignored: p.flag("ignored"),
	}
	if r.ID == "" || r.Region == "" {
		p.fail("resource_id", errors.New("a resource has an id, and its Region as locale"))
	}
	return func() {
		s := c.scope(p.text("scope"))
		s.Resources = append(s.Resources, r)
	}
}

// cellParser reads the cells of a row. The first cell that cannot be read sets err.
type cellParser struct {
	row
	column string
	err    error
}

func (p *cellParser) fail(column string, err error) {
	if p.err == nil && err != nil {
		p.column, p.err = column, err
	}
}

func (p *cellParser) text(column string) string { return p.cells[column] }

func (p *cellParser) words(column string) []string { return strings.Fields(p.cells[column]) }

func (p *cellParser) flag(column string) bool {
	b, err := flagOf(p.cells[column])
	p.fail(column, err)
	return b
}

func (p *cellParser) length(column string) *int {
	n, err := lengthOf(p.cells[column])
	p.fail(column, err)
	return n
}

func (p *cellParser) tags(column string) ipam.Tags {
	tags, err := parseTags(p.cells[column])
	p.fail(column, err)
	return tags
}

// allTags returns the tags of the column tags, and those of the columns for one tag.
func (p *cellParser) allTags() ipam.Tags {
	tags := p.tags("tags")
	if len(p.row.tags) == 0 {
		return tags
	}
	all := maps.Clone(p.row.tags)
	maps.Copy(all, tags)
	return all
}

func (p *cellParser) sourceResource() *SourceResource {
	words := p.words("source_resource")
	switch len(words) {
	case 0:
		return nil
	case 3:
		return &SourceResource{ID: words[0], Owner: words[1], Region: words[2]}
	}
	p.fail("source_resource", errors.New("write the VPC's id, its account and its Region, with spaces between them"))
	return nil
}

// WriteCSV writes the document as CSV (RFC 4180), with a header row.
func (d *Document) WriteCSV(w io.Writer) error {
	b := bufio.NewWriter(w)
	names := columns[:written]
	writeRow(b, names)
	write := func(cells map[string]string) {
		out := make([]string, len(names))
		for i, name := range names {
			out[i] = cells[name]
		}
		writeRow(b, out)
	}
	if m := d.IPAM; m != nil {
		write(map[string]string{
			"type": rowIPAM, "description": m.Description, "tags": tagsText(m.Tags), "regions": strings.Join(m.OperatingRegions, " "), "tier": m.Tier, "metered_account": m.MeteredAccount,
			"enable_private_gua": flagText(m.EnablePrivateGUA), "excluded_units": strings.Join(m.ExcludedUnits, " "), "discovery_tags": tagsText(m.DiscoveryTags),
		})
	}
	for _, s := range d.Scopes {
		if !s.Existing {
			write(map[string]string{"type": rowScope, "scope": s.Name, "description": s.Description, "tags": tagsText(s.Tags)})
		}
		for _, p := range s.Pools {
			if !p.Existing {
				write(poolCells(s, p))
			}
			for _, a := range p.Allocations {
				write(allocationCells(s, p.Name, a))
			}
		}
		for _, a := range s.Allocations {
			write(allocationCells(s, "", a))
		}
		for _, r := range s.Resources {
			write(map[string]string{"type": rowResource, "scope": s.Name, "cidr": r.CIDR, "locale": r.Region, "resource_id": r.ID, "ignored": flagText(r.Ignored)})
		}
	}
	return b.Flush()
}

func poolCells(s *Scope, p *Pool) map[string]string {
	cells := map[string]string{
		"type": rowPool, "scope": s.Name, "pool": p.Name, "source": p.Source, "cidr": strings.Join(p.CIDRs, " "), "description": p.Description, "tags": tagsText(p.Tags),
		"family": p.Family, "locale": p.Locale, "auto_import": flagText(p.AutoImport), "min_length": lengthText(p.MinLength), "max_length": lengthText(p.MaxLength),
		"default_length": lengthText(p.DefaultLength), "resource_tags": tagsText(p.RuleTags), "shares": strings.Join(p.Shares, " "),
		"aws_service": p.AWSService, "public_ip_source": p.PublicIPSource,
	}
	if p.PubliclyAdvertisable != nil {
		cells["publicly_advertisable"] = strconv.FormatBool(*p.PubliclyAdvertisable)
	}
	if r := p.SourceResource; r != nil {
		cells["source_resource"] = strings.Join([]string{r.ID, r.Owner, r.Region}, " ")
	}
	return cells
}

func allocationCells(s *Scope, pool string, a *Allocation) map[string]string {
	return map[string]string{"type": rowAllocation, "scope": s.Name, "pool": pool, "cidr": a.CIDR, "description": a.Description, "account": a.Owner, "tags": tagsText(a.Tags)}
}

func flagText(b bool) string {
	if !b {
		return ""
	}
	return "true"
}

func lengthText(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// writeRow writes cells as a row. The writer keeps its error for Flush.
func writeRow(w *bufio.Writer, cells []string) {
	for i, c := range cells {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		c = protect(c)
		if strings.ContainsAny(c, ",;\t|\"\r\n") || strings.TrimFunc(c, invisible) != c || slices.Contains([]string{"\\.", "sep="}, c) {
			c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		_, _ = w.WriteString(c)
	}
	_, _ = w.WriteString("\r\n")
}
