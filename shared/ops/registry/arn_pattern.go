package registry

import (
	"fmt"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ops/wildcard"
)

// ARNPattern matches the ARNs of principals as the condition operator ArnLike of IAM
// does (IAM User Guide, "IAM JSON policy elements: Condition operators"): each of the
// six parts of an ARN on its own, with * for any number of characters and ? for one.
// No wildcard goes beyond its part. In the sixth part, * also matches / and :.
//
// An ARNPattern is safe for concurrent use. The zero ARNPattern matches nothing.
type ARNPattern struct {
	any   bool               // the pattern *
	parts []wildcard.Pattern // the six parts
	role  *wildcard.Pattern  // the sixth part without the path of a role that it names; nil if it is the same
}

// arnParts is the number of parts of an ARN, with colons between them:
// arn:partition:service:region:account:resource.
const arnParts = 6

// ParseARNPattern reads a pattern: * for every principal, or a pattern with the six
// parts of an ARN. Its error does not repeat the pattern.
func ParseARNPattern(pattern string) (ARNPattern, error) {
	if pattern == "*" {
		return ARNPattern{any: true}, nil
	}
	parts := strings.SplitN(pattern, ":", arnParts)
	switch {
	case len(parts) < arnParts:
		return ARNPattern{}, fmt.Errorf("use * or the %d parts of an ARN with colons between them, such as arn:aws:iam::111122223333:role/network-*; this pattern has %d", arnParts, len(parts))
	case parts[0] != "arn":
		return ARNPattern{}, fmt.Errorf("begin it with arn:, as in arn:aws:iam::111122223333:role/network-*")
	case parts[arnParts-1] == "":
		return ARNPattern{}, fmt.Errorf("name principals behind the account, as in arn:aws:iam::111122223333:role/network-*")
	}
	p := ARNPattern{parts: make([]wildcard.Pattern, arnParts)}
	for i, part := range parts {
		p.parts[i] = wildcard.Parse(part)
	}
	if resource := parts[arnParts-1]; withoutPath(resource) != resource {
		role := wildcard.Parse(withoutPath(resource))
		p.role = &role
	}
	return p, nil
}

// Match reports whether a principal's ARN matches. The ARN of a role's session,
// arn:aws:sts::A:assumed-role/R/S, also matches if the ARN of its role,
// arn:aws:iam::A:role/R, does.
//
// A session's ARN does not have the path of its role, so a pattern with a path,
// role/team/R, matches role/R as well: the names of roles are unique in an account,
// with any path. This holds only if the name behind the path has no wildcard, since
// role/team/* would otherwise match every role of the account.
func (p ARNPattern) Match(arn string) bool {
	if p.any {
		return true
	}
	parts := strings.SplitN(arn, ":", arnParts)
	if len(parts) != arnParts || len(p.parts) != arnParts {
		return false
	}
	if p.matchParts(parts, p.parts[arnParts-1]) {
		return true
	}
	role := roleOf(parts)
	return role != nil && (p.matchParts(role, p.parts[arnParts-1]) || p.role != nil && p.matchParts(role, *p.role))
}

func (p ARNPattern) matchParts(arn []string, resource wildcard.Pattern) bool {
	for i, part := range p.parts[:arnParts-1] {
		if !part.Match(arn[i]) {
			return false
		}
	}
	return resource.Match(arn[arnParts-1])
}

// roleOf returns the parts of the ARN of the role, without its path, that an
// assumed-role session belongs to, and nil for any other ARN.
func roleOf(arn []string) []string {
	if arn[0] != "arn" || arn[2] != "sts" {
		return nil
	}
	name, ok := strings.CutPrefix(arn[5], "assumed-role/")
	name, _, slash := strings.Cut(name, "/")
	if !ok || !slash || name == "" {
		return nil
	}
	return []string{"arn", arn[1], "iam", "", arn[4], "role/" + name}
}

// withoutPath returns the resource part of a pattern without the path between role/
// and a literal role name, and any other part as it is.
func withoutPath(resource string) string {
	name, ok := strings.CutPrefix(resource, "role/")
	i := strings.LastIndexByte(name, '/')
	if !ok || i < 0 || name[i+1:] == "" || strings.ContainsAny(name[i+1:], "*?") {
		return resource
	}
	return "role/" + name[i+1:]
}
