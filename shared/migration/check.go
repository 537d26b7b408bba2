package migration

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// fault is a finding without its place.
type fault struct {
	kind          Kind
	message, next string
}

func faultf(kind Kind, next, message string, args ...any) *fault {
	return &fault{kind, fmt.Sprintf(message, args...), next}
}

// The limits of texts, in characters (shared/ops).
const (
	maxDescription = 255
	maxTagKey      = 128
	maxTagValue    = 256
)

// checkText returns a fault of a description.
func checkText(s string) *fault {
	if n := utf8.RuneCountInString(s); n > maxDescription {
		return faultf(KindText, "Shorten it.", "The description has %d characters, and at most %d are possible.", n, maxDescription)
	}
	if schema.CheckText("", s) != nil {
		return faultf(KindText, "Remove the control character.", "The description %q has a control character.", excerpt(s))
	}
	return nil
}

// checkTags returns a fault of an object's tags; limit is the largest number of them.
func checkTags(tags ipam.Tags, limit int64) *fault {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		v := tags[k]
		switch n := utf8.RuneCountInString(k); {
		case n < 1 || n > maxTagKey:
			return faultf(KindTag, "Give it another key.", "The key of the tag %q has %d characters, and 1 to %d are possible.", excerpt(k), n, maxTagKey)
		case utf8.RuneCountInString(v) > maxTagValue:
			return faultf(KindTag, "Shorten the value.", "The value of the tag %q has %d characters, and at most %d are possible.", excerpt(k), utf8.RuneCountInString(v), maxTagValue)
		case strings.HasPrefix(strings.ToLower(k), reservedTags):
			return faultf(KindTag, "Give it another key.", "The key of the tag %q begins with aws:, and only AWS sets such tags.", excerpt(k))
		case slices.Contains(ipam.StackTags, k):
			return faultf(KindTag, "Leave the tag out.", "Only CloudFormation stacks set the tag %s.", k)
		case schema.CheckText("", k) != nil || schema.CheckText("", v) != nil:
			return faultf(KindTag, "Remove the control character.", "The tag %q has a control character.", excerpt(k))
		}
	}
	if int64(len(tags)) > limit {
		return faultf(KindTag, "Leave some of them out, or have the quota tags raised.", "There are %d tags, and at most %d are possible.", len(tags), limit)
	}
	return nil
}

// months are the beginnings of months' names, by which a date in a cell is recognised.
var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mai", "okt", "dez"}

// parseCIDR reads a CIDR, or returns a fault.
func parseCIDR(s string) (netip.Prefix, *fault) {
	if s == "" {
		return netip.Prefix{}, faultf(KindCIDR, "Write it as address/length, for example 10.0.0.0/16.", "There is no CIDR.")
	}
	p, err := netip.ParsePrefix(s)
	if err == nil && !p.Addr().Is4In6() && p.Addr().Zone() == "" {
		if m := p.Masked(); m != p {
			return netip.Prefix{}, faultf(KindHostBits, fmt.Sprintf("Write %s if the whole block is meant, or %s if the one address is.", m, netip.PrefixFrom(p.Addr(), p.Addr().BitLen())),
				"The address has bits beyond the netmask length /%d.", p.Bits())
		}
		return p, nil
	}
	lower := strings.ToLower(s)
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.Prefix{}, faultf(KindCIDR, fmt.Sprintf("Write %s/%d if the one address is meant.", a, a.BitLen()), "The address has no netmask length.")
	}
	if slices.ContainsFunc(months, func(m string) bool { return strings.Contains(lower, m) }) || strings.Contains(lower, "e+") {
		return netip.Prefix{}, faultf(KindCIDR, "Format the column as text in the spreadsheet, and write the CIDR again.", "%q is a date or a number: the spreadsheet has changed the cell.", excerpt(s))
	}
	return netip.Prefix{}, faultf(KindCIDR, "Write it as address/length, for example 10.0.0.0/16 or 2001:db8::/48.", "%q is no CIDR.", excerpt(s))
}

// checkAccount returns a fault of a text that is no account's id.
func checkAccount(s string) *fault {
	if ipam.IsAccountID(s) {
		return nil
	}
	const digits = 12
	if n := len(s); n > 0 && n < digits && strings.Trim(s, "0123456789") == "" {
		return faultf(KindAccount, fmt.Sprintf("Write %s%s, and format the column as text.", strings.Repeat("0", digits-n), s),
			"The account %s has %d digits, and an account has %d: a spreadsheet removes zeros at the beginning.", s, n, digits)
	}
	return faultf(KindAccount, "Write the 12 digits of its id, and format the column as text.", "%q is no account.", excerpt(s))
}

// rules returns the pool's rules.
func (p *Pool) rules() ipam.Rules {
	return ipam.Rules{Min: p.MinLength, Max: p.MaxLength, Default: p.DefaultLength, ResourceTags: p.RuleTags}
}

// checkLength returns a fault of a netmask length that the pool's rules do not admit.
func checkLength(p *Pool, c netip.Prefix) *fault {
	lo, hi := 0, c.Addr().BitLen()
	if p.MinLength != nil {
		lo = *p.MinLength
	}
	if p.MaxLength != nil {
		hi = *p.MaxLength
	}
	if n := c.Bits(); n < lo || n > hi {
		return faultf(KindRule, "Import it into another pool, or change the pool's rule.", "The pool %s admits lengths of /%d to /%d.", p.Name, lo, hi)
	}
	return nil
}

// checkRules returns a fault of the rules of a pool of the family.
func checkRules(p *Pool, family string) *fault {
	if err := p.rules().Check(ipam.ParseFamily(family)); err != nil {
		return faultf(KindSetting, "Correct the netmask lengths.", "%s", ipam.Public(err).Message)
	}
	return nil
}

// The IPv6 space of top-level pools in private scopes (shared/ops).
var (
	uniqueLocal   = netip.MustParsePrefix("fd80::/9")
	globalUnicast = netip.MustParsePrefix("2000::/3")
)

// checkTopLevel returns a fault of a CIDR of a top-level pool.
func checkTopLevel(scope string, c netip.Prefix, privateGUA bool) *fault {
	switch {
	case scope == PublicScope:
		return faultf(KindUnsupported, "Leave it out: Cadastre has no ranges of your own or of Amazon's.", "A top-level pool of the public scope gets no CIDRs: nothing verifies the owner.")
	case c.Addr().Is4():
		return nil
	case ipam.Within(c, globalUnicast) && !privateGUA:
		return faultf(KindSetting, "Set enablePrivateGua of the IPAM.", "It is global unicast space, which a private scope has only with EnablePrivateGua.")
	case ipam.Within(c, globalUnicast):
		return nil
	case !ipam.Within(c, uniqueLocal):
		return faultf(KindSetting, fmt.Sprintf("Use space inside %s or %s.", uniqueLocal, globalUnicast), "It is no private IPv6 space.")
	case c.Bits() < uniqueLocal.Bits() || c.Bits() > 60:
		return faultf(KindSetting, "Use another length.", "A unique local CIDR of a top-level pool is a /9 to a /60.")
	}
	return nil
}
