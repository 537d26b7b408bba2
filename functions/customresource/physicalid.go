package main

import (
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// physicalID is the physical id of a resource: the name by which CloudFormation knows
// the object of a resource. Its forms are
//
//	nothing-was-made                   of a create that failed and left nothing
//	unfinished:SEED                    of a create whose outcome is unknown
//	unfinished:SEED|POOL|SCOPE         the same, of an object in or under a pool
//	unfinished:SEED|POOL|SCOPE|OLD     the same, of a replacement of the object OLD
//	ipam-…, ipam-scope-…, ipam-pool-…  of an IPAM, scope or pool
//	POOL|POOL CIDR                     of a CIDR of a pool
//	POOL|ALLOCATION|CIDR               of an allocation
//	STACK-LOGICAL-RANDOM               CloudFormation's own; see isCloudFormations
//
// The id of another form is no object's. The zero value is the id of a request without
// one. Values are comparable.
type physicalID struct {
	form       form
	seed       string // of an unfinished create's tokens
	pool       string // the pool that the object is in, or of an unfinished pool its source pool
	scope      string // of that pool, if a selector selected it
	replaced   string // the physical id of the object that an unfinished create replaces; "" if none
	id         string // the object's id; the whole text if the form is foreign
	allocation string // an allocation's CIDR
}

type form int

const (
	formNone       form = iota // no id
	formNothing                // nothing was made
	formUnfinished             // the outcome of the create is unknown
	formObject                 // an IPAM, scope or pool
	formPoolCIDR
	formAllocation
	formForeign // any other text
)

const (
	nothingMade      = "nothing-was-made"
	unfinishedPrefix = "unfinished:"
)

// nothing is the physical id of a create that failed and left nothing. It is the id of
// no object, so its Delete does nothing.
var nothing = physicalID{form: formNothing}

// parsePhysicalID parses a physical id. It never fails: a text of no known form is a
// foreign id.
func parsePhysicalID(text string) physicalID {
	if text == "" {
		return physicalID{}
	}
	if text == nothingMade {
		return nothing
	}
	if rest, ok := strings.CutPrefix(text, unfinishedPrefix); ok {
		switch parts := strings.SplitN(rest, "|", 4); {
		case len(parts) == 1:
			return physicalID{form: formUnfinished, seed: rest}
		case len(parts) == 3 && parts[1] != "":
			return physicalID{form: formUnfinished, seed: parts[0], pool: parts[1], scope: parts[2]}
		case len(parts) == 4 && parts[3] != "":
			return physicalID{form: formUnfinished, seed: parts[0], pool: parts[1], scope: parts[2], replaced: parts[3]}
		}
		return physicalID{form: formForeign, id: text}
	}
	switch parts := strings.Split(text, "|"); {
	case len(parts) == 3 && ipam.IDKindOf(parts[0]) == ipam.IDPool && ipam.IDKindOf(parts[1]) == ipam.IDAllocation:
		return physicalID{form: formAllocation, pool: parts[0], id: parts[1], allocation: parts[2]}
	case len(parts) == 2 && ipam.IDKindOf(parts[0]) == ipam.IDPool && ipam.IDKindOf(parts[1]) == ipam.IDPoolCIDR:
		return physicalID{form: formPoolCIDR, pool: parts[0], id: parts[1]}
	}
	switch ipam.IDKindOf(text) {
	case ipam.IDIPAM, ipam.IDScope, ipam.IDPool:
		return physicalID{form: formObject, id: text}
	default:
		return physicalID{form: formForeign, id: text}
	}
}

// String returns the text that CloudFormation gets.
func (p physicalID) String() string {
	switch p.form {
	case formNothing:
		return nothingMade
	case formUnfinished:
		switch {
		case p.replaced != "":
			return unfinishedPrefix + strings.Join([]string{p.seed, p.pool, p.scope, p.replaced}, "|")
		case p.pool != "":
			return unfinishedPrefix + strings.Join([]string{p.seed, p.pool, p.scope}, "|")
		}
		return unfinishedPrefix + p.seed
	case formPoolCIDR:
		return p.pool + "|" + p.id
	case formAllocation:
		return p.pool + "|" + p.id + "|" + p.allocation
	case formNone, formObject, formForeign:
	}
	return p.id
}

// is reports whether the id belongs to an object of a kind.
func (p physicalID) is(kind ipam.IDKind) bool {
	return p.form == formObject && ipam.IDKindOf(p.id) == kind
}

// isCloudFormations reports whether CloudFormation may have made the id up. It does so
// when it rolls a stack back, or gives up, before the create is answered; it then
// ignores the create's answer. (No page of the User Guide says so; issue 1814 of the
// coverage roadmap of CloudFormation does.)
func (p physicalID) isCloudFormations() bool {
	return p.form == formNone || p.form == formForeign && !strings.Contains(p.id, "|") && ipam.IDKindOf(p.id) == ""
}
