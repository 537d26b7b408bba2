package store

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// PutBack is a request to put a thing back that a restore of the table lost. It names the
// thing as fsck lists it.
type PutBack struct {
	From table.Table // the table that was in use before the restore; nothing is written to it
	Kind PutBackKind
	ID   string
	Pool string       // of a pool's CIDR
	CIDR netip.Prefix // of a pool's CIDR
}

// PutBackKind is the kind of a thing that a restore lost.
type PutBackKind string

// The kinds of things that [Store.PutBack] puts back.
const (
	PutBackIPAM        PutBackKind = "ipam" // with its default scopes, resource discovery and association
	PutBackScope       PutBackKind = "scope"
	PutBackPool        PutBackKind = "pool" // with its shares
	PutBackDiscovery   PutBackKind = "resource-discovery"
	PutBackAssociation PutBackKind = "resource-discovery-association"
	PutBackResolver    PutBackKind = "prefix-list-resolver"
	PutBackCIDR        PutBackKind = "pool-cidr"
	PutBackAllocation  PutBackKind = "allocation"
)

// PutBackOutcome is the result of a [PutBack].
type PutBackOutcome string

// The outcomes. Only with the first one is anything written.
const (
	WasPutBack   PutBackOutcome = "put back"
	WasThere     PutBackOutcome = "there already" // the table has it, as the old one
	IsDifferent  PutBackOutcome = "different"     // the table has its id with other properties; they stay
	IsTaken      PutBackOutcome = "taken"         // its CIDR is not free
	HasNoParent  PutBackOutcome = "parent missing"
	IsGone       PutBackOutcome = "gone" // the old table does not have it
	IsImpossible PutBackOutcome = "not possible"
)

// PutBackResult is the outcome of a [PutBack].
type PutBackResult struct {
	Outcome PutBackOutcome
	Detail  string // of a taken CIDR the holder, of a missing parent its id, else the reason; may be ""
}

// putBackTry decides on the state that the table has now. It returns the writes that put
// the thing back, none for every outcome but [WasPutBack].
type putBackTry func(context.Context) (PutBackResult, []table.Write, error)

// noTry is the try of a thing that cannot be put back.
func noTry(outcome PutBackOutcome, detail string) putBackTry {
	return func(context.Context) (PutBackResult, []table.Write, error) {
		return PutBackResult{outcome, detail}, nil, nil
	}
}

func wasPutBack(writes ...table.Write) (PutBackResult, []table.Write, error) {
	return PutBackResult{Outcome: WasPutBack}, writes, nil
}

func notPutBack(outcome PutBackOutcome, format string, args ...any) (PutBackResult, []table.Write, error) {
	return PutBackResult{outcome, fmt.Sprintf(format, args...)}, nil, nil
}

// heldBy names the holder of a block.
func heldBy(t ipam.Taken) string {
	switch t.Kind {
	case ipam.KindPool:
		return fmt.Sprintf("%s, a CIDR of %s, account %s", t.CIDR, t.ResourceID, t.Owner)
	case ipam.KindSplit:
		return fmt.Sprintf("%s, which another request is taking or releasing", t.CIDR)
	case ipam.KindHold:
		return fmt.Sprintf("%s, which live resources use", t.CIDR)
	default:
		return strings.TrimSpace(fmt.Sprintf("%s, the allocation %s, account %s %s", t.CIDR, t.AllocationID, t.Owner, t.ResourceID))
	}
}
