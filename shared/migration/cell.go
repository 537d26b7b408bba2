package migration

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go4.org/netipx"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// formula begins a cell that a spreadsheet would take for a formula (OWASP, "CSV
// Injection").
const formula = "=+-@\t\r"

// protect puts an apostrophe before a text that a spreadsheet would take for a formula,
// and before one that begins with apostrophes and then so.
func protect(s string) string {
	if rest := strings.TrimLeft(s, "'"); rest != "" && strings.IndexByte(formula, rest[0]) >= 0 {
		return "'" + s
	}
	return s
}

// unprotect is the reverse of [protect].
func unprotect(s string) string {
	if rest := strings.TrimLeft(s, "'"); rest != s && rest != "" && strings.IndexByte(formula, rest[0]) >= 0 {
		return s[1:]
	}
	return s
}

// cleanCell returns the text that a user means by a cell: without the spaces around it,
// also those that break no line, and without Excel's ="…", which keeps a text a text.
func cleanCell(s string) string {
	s = strings.TrimFunc(s, invisible)
	if rest, ok := strings.CutPrefix(s, `="`); ok && strings.HasSuffix(rest, `"`) {
		return strings.TrimFunc(strings.TrimSuffix(rest, `"`), invisible)
	}
	return strings.TrimFunc(unprotect(s), invisible)
}

// invisible reports whether a character shows as nothing: spaces, and those of no width.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// excerpt returns the beginning of a text for messages.
func excerpt(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// cidrText returns the CIDR that a cell and the cells for address and length describe:
// an address with a length or a mask, or a range of addresses that is one block. Any
// other text is returned as it is.
func cidrText(cidr, address, length string) string {
	text := withoutSpaces(cidr)
	if text == "" {
		text = withoutSpaces(address)
	}
	if length = withoutSpaces(length); length != "" && !strings.Contains(text, "/") {
		text += "/" + strings.TrimPrefix(length, "/")
	}
	if first, last, ok := strings.Cut(text, "-"); ok {
		from, err1 := netip.ParseAddr(first)
		to, err2 := netip.ParseAddr(last)
		if p, ok := netipx.IPRangeFrom(from, to).Prefix(); err1 == nil && err2 == nil && ok {
			return p.String()
		}
	}
	base, mask, ok := strings.Cut(text, "/")
	if n, isMask := maskLength(mask); ok && isMask {
		text = base + "/" + strconv.Itoa(n)
	}
	return text
}

func withoutSpaces(s string) string { return strings.Join(strings.FieldsFunc(s, invisible), "") }

// maskLength returns the length of a mask such as 255.255.255.0.
func maskLength(mask string) (int, bool) {
	a, err := netip.ParseAddr(mask)
	if err != nil || !a.Is4() {
		return 0, false
	}
	b := a.As4()
	n := binary.BigEndian.Uint32(b[:])
	ones := bits.LeadingZeros32(^n)
	return ones, n<<ones == 0
}

// lengthOf reads a netmask length: 24, /24, 24.0 or 255.255.255.0; nil for an empty cell.
func lengthOf(s string) (*int, error) {
	if s == "" {
		return nil, nil
	}
	if n, ok := maskLength(s); ok {
		return &n, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(s, "/"), ".0"))
	if err != nil {
		return nil, fmt.Errorf("%q is no netmask length; write a number such as 24", excerpt(s))
	}
	return &n, nil
}

// flags are the words for true and false, in the languages of Excel that are common.
var flags = map[string]bool{
	"": false, "false": false, "no": false, "n": false, "0": false, "falsch": false, "nein": false, "faux": false, "non": false, "falso": false,
	"true": true, "yes": true, "y": true, "1": true, "x": true, "wahr": true, "ja": true, "vrai": true, "oui": true, "verdadero": true, "vero": true,
}

func flagOf(s string) (bool, error) {
	b, ok := flags[strings.ToLower(s)]
	if !ok {
		return false, fmt.Errorf("%q is neither true nor false", excerpt(s))
	}
	return b, nil
}

// tagsText returns tags as the text of a cell: key=value, with semicolons between them. A
// backslash is before each character that means itself.
func tagsText(tags ipam.Tags) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, escapeTag(k)+"="+escapeTag(tags[k]))
	}
	return strings.Join(all, ";")
}

// escapeTag puts a backslash before the characters of a key or value that mean something
// else, and before spaces at its ends.
func escapeTag(s string) string {
	runes := []rune(s)
	first := slices.IndexFunc(runes, func(r rune) bool { return !invisible(r) })
	last := len(runes) - 1
	for last >= 0 && invisible(runes[last]) {
		last--
	}
	var b strings.Builder
	for i, r := range runes {
		if r == '\\' || r == ';' || r == '=' || first < 0 || i < first || i > last {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// parseTags reads the text of [tagsText].
func parseTags(s string) (ipam.Tags, error) {
	var tags ipam.Tags
	for _, part := range splitEscaped(s, ';') {
		if strings.TrimFunc(part, invisible) == "" {
			continue
		}
		pair := splitEscaped(part, '=')
		if len(pair) != 2 {
			return nil, fmt.Errorf("%q is no tag; write key=value, and a backslash before any other = ; or \\", excerpt(part))
		}
		k, v := unescapeTag(pair[0]), unescapeTag(pair[1])
		if _, twice := tags[k]; twice {
			return nil, fmt.Errorf("the tag %q is there twice", excerpt(k))
		}
		if tags == nil {
			tags = ipam.Tags{}
		}
		tags[k] = v
	}
	return tags, nil
}

// splitEscaped splits at a separator without a backslash before it.
func splitEscaped(s string, separator byte) []string {
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// unescapeTag removes the spaces around a key or value, and backslashes. It keeps a space
// with a backslash before it.
func unescapeTag(s string) string {
	var runes []rune
	keep := 0 // the characters so far that are not spaces at the end
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			runes = append(runes, r)
			keep, escaped = len(runes), false
		case r == '\\':
			escaped = true
		case invisible(r):
			if len(runes) > 0 {
				runes = append(runes, r)
			}
		default:
			runes = append(runes, r)
			keep = len(runes)
		}
	}
	if escaped {
		return string(append(runes, '\\'))
	}
	return string(runes[:keep])
}
