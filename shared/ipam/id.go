package ipam

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// IDKind is the prefix of a kind of id, without the hyphen before its digits.
type IDKind string

// The kinds of ids. The EC2 API gives the forms: 32 hexadecimal digits for pool
// CIDRs and allocations, and 17 for the others.
const (
	IDIPAM                 IDKind = "ipam"
	IDScope                IDKind = "ipam-scope"
	IDPool                 IDKind = "ipam-pool"
	IDPoolCIDR             IDKind = "ipam-pool-cidr"
	IDAllocation           IDKind = "ipam-pool-alloc"
	IDDiscovery            IDKind = "ipam-res-disco"
	IDDiscoveryAssociation IDKind = "ipam-res-disco-assoc"
	IDResolver             IDKind = "ipam-prefix-list-resolver"
)

func (k IDKind) digits() int {
	if k == IDPoolCIDR || k == IDAllocation {
		return 32
	}
	return 17
}

// DeriveID returns the id for a new object. The parts name the act that creates
// it: the account, the writer Region, the operation and the client token. So a
// retry of the act derives the same id, in any process.
func DeriveID(k IDKind, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return string(k) + "-" + hex.EncodeToString(h.Sum(nil))[:k.digits()]
}

// IDKindOf returns the kind of a well-formed id, and "" for any other text. It
// accepts 8 to 33 digits, because ids from elsewhere have other lengths.
func IDKindOf(id string) IDKind {
	i := strings.LastIndexByte(id, '-')
	if i < 0 || len(id)-i-1 < 8 || len(id)-i-1 > 33 || strings.Trim(id[i+1:], "0123456789abcdef") != "" {
		return ""
	}
	switch k := IDKind(id[:i]); k {
	case IDIPAM, IDScope, IDPool, IDPoolCIDR, IDAllocation, IDDiscovery, IDDiscoveryAssociation, IDResolver:
		return k
	}
	return ""
}

// NotFound returns the error for an object that does not exist or that the
// caller may not see. A caller cannot distinguish the two.
func NotFound(id string) error {
	switch IDKindOf(id) {
	case IDIPAM:
		return Errorf(CodeInvalidIpamIDNotFound, "The ipam ID '%s' does not exist. DescribeIpams lists those of your account.", id)
	case IDScope:
		return Errorf(CodeInvalidScopeIDNotFound, "The ipam-scope ID '%s' does not exist. DescribeIpamScopes lists those of your account.", id)
	case IDPool:
		return Errorf(CodeInvalidPoolIDNotFound, "The ipam-pool ID '%s' does not exist. DescribeIpamPools lists those that you may use.", id)
	case IDAllocation:
		return Errorf(CodeInvalidAllocationIDNotFound, "The IPAM pool allocation (%s) does not exist. GetIpamPoolAllocations lists those of a pool.", id)
	case IDDiscovery:
		return Errorf(CodeInvalidDiscoveryIDNotFound, "The ipam-resource-discovery ID '%s' does not exist. DescribeIpamResourceDiscoveries lists those of your account.", id)
	case IDDiscoveryAssociation:
		return Errorf(CodeInvalidAssociationIDNotFound, "The ipam-resource-discovery-association ID '%s' does not exist. DescribeIpamResourceDiscoveryAssociations lists those of your account.", id)
	case IDResolver:
		return Errorf(CodeInvalidResolverIDNotFound, "The ipam-prefix-list-resolver ID '%s' does not exist. DescribeIpamPrefixListResolvers lists those of your account.", id)
	default: // no operation takes an id of another kind
		return Errorf(CodeInvalidID, "The ID '%s' is not valid.", id)
	}
}

// NoAllocation is the beginning of the message of a release that finds no
// allocation. EC2 answers such a release with InvalidParameterCombination, a
// code that it also uses for other errors. Clients recognise by this text that
// nothing is left to release.
const NoAllocation = "No allocation found"

// CheckID returns a Malformed error unless id has the form of kind's ids.
func CheckID(kind IDKind, parameter, id string) error {
	if IDKindOf(id) == kind {
		return nil
	}
	code := CodeInvalidID
	switch kind {
	case IDIPAM:
		code = CodeInvalidIpamIDMalformed
	case IDScope:
		code = CodeInvalidScopeIDMalformed
	case IDPool:
		code = CodeInvalidPoolIDMalformed
	case IDAllocation:
		code = CodeInvalidAllocationIDMalformed
	case IDDiscovery:
		code = CodeInvalidDiscoveryIDMalformed
	case IDDiscoveryAssociation:
		code = CodeInvalidAssociationIDMalformed
	case IDResolver:
		code = CodeInvalidResolverIDMalformed
	default: // EC2 has no code for the other kinds
	}
	return Errorf(code, "Invalid id: \"%s\" for parameter %s (expecting \"%s-...\" with hexadecimal digits).", id, parameter, kind)
}
