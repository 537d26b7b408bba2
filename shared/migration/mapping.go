package migration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Mapping says how the columns of a CSV file correspond to those that [ReadCSV] knows.
// The zero Mapping is for a file whose headers are these, or usual words for them.
type Mapping struct {
	Columns   map[string]string            `yaml:"columns"`   // column to header in the file
	Tags      map[string]string            `yaml:"tags"`      // tag key to header in the file
	Defaults  map[string]string            `yaml:"defaults"`  // column to the value of an empty cell
	Values    map[string]map[string]string `yaml:"values"`    // column to: text in the file to value
	Ignore    []string                     `yaml:"ignore"`    // headers of columns to leave out
	Delimiter string                       `yaml:"delimiter"` // "" finds it
}

// ReadMapping reads a mapping file, which is YAML.
func ReadMapping(r io.Reader) (Mapping, error) {
	var m Mapping
	b, err := io.ReadAll(r)
	if err != nil {
		return m, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("the file is no mapping: %w", err)
	}
	for _, names := range [][]string{slices.Sorted(maps.Keys(m.Columns)), slices.Sorted(maps.Keys(m.Defaults)), slices.Sorted(maps.Keys(m.Values))} {
		for _, name := range names {
			if !slices.Contains(columns, name) {
				return m, fmt.Errorf("%q is no column; the columns are %s", name, strings.Join(columns, ", "))
			}
		}
	}
	if m.Delimiter == `\t` {
		m.Delimiter = "\t"
	}
	if len(m.Delimiter) > 1 || strings.ContainsAny(m.Delimiter, "\"\r\n") {
		return m, fmt.Errorf("the delimiter %q is not one character, or no character that can be one", m.Delimiter)
	}
	return m, nil
}

// columns are the columns of a CSV file, in the order in which they are written. The
// columns behind ignored are read only.
var columns = []string{
	"type", "scope", "pool", "source", "cidr", "description", "account", "tags", "family", "locale", "auto_import", "min_length", "max_length", "default_length",
	"resource_tags", "shares", "aws_service", "public_ip_source", "publicly_advertisable", "source_resource",
	"regions", "tier", "enable_private_gua", "metered_account", "excluded_units", "discovery_tags", "resource_id", "ignored",
	"address", "length",
}

// written is the number of columns that are written.
var written = slices.Index(columns, "ignored") + 1

// exact are the columns in which spaces at the ends mean something.
var exact = []string{"description", "tags", "resource_tags", "discovery_tags"}

// tagPrefix begins the header of a column whose cells are the values of one tag.
const tagPrefix = "tag:"

// usual are other headers of a column, in the form of plainHeader.
var usual = map[string]string{
	"kind": "type", "vrf": "scope", "routing_domain": "scope", "pool_name": "pool", "source_pool": "source", "parent": "source", "parent_pool": "source",
	"network": "cidr", "prefix": "cidr", "subnet": "cidr", "block": "cidr", "cidr_block": "cidr", "ip_range": "cidr", "range": "cidr", "supernet": "cidr",
	"comment": "description", "comments": "description", "note": "description", "notes": "description", "purpose": "description",
	"account_id": "account", "aws_account": "account", "owner_account": "account", "region": "locale", "address_family": "family",
	"ip": "address", "ip_address": "address", "network_address": "address", "mask": "length", "netmask": "length", "prefix_length": "length", "subnet_mask": "length",
}

// plainHeader returns a header in small letters, with _ for all that is no letter or digit.
func plainHeader(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "_")
}

// header says where the columns of a file are.
type header struct {
	at    map[string]int // column to its place in a row
	tags  map[string]int // tag key to its place
	width int
}

// readHeader finds the columns in a file's first row.
func readHeader(first record, m Mapping) (header, []Finding, error) {
	h := header{at: map[string]int{}, tags: map[string]int{}, width: len(first.cells)}
	mapped := map[string]string{} // header in the file to column or tag: prefix and key
	for column, name := range m.Columns {
		mapped[name] = column
	}
	for key, name := range m.Tags {
		mapped[name] = tagPrefix + key
	}
	var findings []Finding
	for i, cell := range first.cells {
		name := cleanCell(cell)
		column, ok := mapped[name]
		delete(mapped, name)
		if !ok {
			column = columnOf(name, m)
		}
		key, isTag := strings.CutPrefix(column, tagPrefix)
		_, twice := h.at[column]
		switch {
		case name == "" || slices.Contains(m.Ignore, name):
		case isTag:
			h.tags[key] = i
		case column == "" || twice:
			findings = append(findings, Finding{first.line, KindColumn, name, "No member of an allocation or pool has this column's name, and the mapping does not name it.",
				"Map it to a column or a tag, or list it under ignore, in the mapping file."})
		default:
			h.at[column] = i
		}
	}
	if missing := slices.Sorted(maps.Keys(mapped)); len(missing) > 0 {
		return h, nil, fmt.Errorf("the mapping names the column %q, and the file's first line has no such header", missing[0])
	}
	if len(h.at) == 0 {
		return h, nil, fmt.Errorf("no header of the file's first line is known: %s. Name the columns in a mapping file", excerpt(strings.Join(first.cells, ", ")))
	}
	return h, findings, nil
}

// columnOf returns the column for a header that the mapping does not name, "" for none.
func columnOf(name string, m Mapping) string {
	if strings.HasPrefix(name, tagPrefix) {
		return name
	}
	column := plainHeader(name)
	if other := usual[column]; other != "" {
		column = other
	}
	if _, mapped := m.Columns[column]; mapped || !slices.Contains(columns, column) {
		return ""
	}
	return column
}

// row is a row of a CSV file whose cells are found by column.
type row struct {
	line   int
	cells  map[string]string
	tags   ipam.Tags // of the columns for one tag each
	excess bool      // a cell has no header
}

func (h header) row(r record, m Mapping) row {
	out := row{line: r.line, cells: map[string]string{}}
	cell := func(i int) string {
		if i < len(r.cells) {
			return cleanCell(r.cells[i])
		}
		return ""
	}
	for column, i := range h.at {
		value := cell(i)
		if i < len(r.cells) && slices.Contains(exact, column) {
			value = unprotect(r.cells[i])
		}
		if other, ok := m.Values[column][value]; ok {
			value = other
		}
		out.cells[column] = value
	}
	for column, value := range m.Defaults {
		if out.cells[column] == "" {
			out.cells[column] = value
		}
	}
	for key, i := range h.tags {
		if value := cell(i); value != "" {
			if out.tags == nil {
				out.tags = ipam.Tags{}
			}
			out.tags[key] = value
		}
	}
	for i := h.width; i < len(r.cells); i++ {
		out.excess = out.excess || cell(i) != ""
	}
	return out
}
