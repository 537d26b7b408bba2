// Package events holds what Cadastre tells on its event bus, and the event that
// asks it for a CIDR there: the events' names and details, and their JSON Schemas.
//
// Members are called as in the EC2 API's answers, in lower camel case; those of
// the request as in the operation's JSON input. Within a version, members are only
// added.
package events

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Source is the source of every event that Cadastre puts on the bus.
const Source = "cadastre.ipam"

// Version is that of the details, and of the schemas.
const Version = "1"

// Name is an event's detail-type.
type Name string

// The events.
const (
	CIDRRequested         Name = "CIDR Requested" // put on the bus by others
	CIDRAllocated         Name = "CIDR Allocated"
	CIDRRequestFailed     Name = "CIDR Request Failed"
	CIDRReleased          Name = "CIDR Released"
	PoolCIDRProvisioned   Name = "Pool CIDR Provisioned"
	PoolCIDRDeprovisioned Name = "Pool CIDR Deprovisioned"
	PoolUtilization       Name = "Pool Utilization Threshold Crossed"
	OverlapDetected       Name = "Overlap Detected"
	OverlapCleared        Name = "Overlap Cleared"
	ResourceNoncompliant  Name = "Resource Noncompliant"
	ResourceCompliant     Name = "Resource Compliant"
	ResourceDiscovered    Name = "Resource Discovered"
	ResourceGone          Name = "Resource Gone"
)

// Header is in every detail but that of CIDR Requested.
type Header struct {
	Version string    `json:"version"`
	ID      string    `json:"id"`   // the same whenever the event is delivered
	Time    time.Time `json:"time"` // of the change, to the second
}

// Request is the detail of CIDR Requested: the input of AllocateIpamPoolCidr, but
// for what an event has of itself, and the request's id and Region.
type Request struct {
	ID                string             `json:"requestId,omitempty"` // the event's own id if absent
	Region            string             `json:"region,omitempty"`    // to ask from; the event's own if absent
	PoolID            string             `json:"IpamPoolId"`
	NetmaskLength     *int               `json:"NetmaskLength,omitempty"`
	CIDR              string             `json:"Cidr,omitempty"`
	AllowedCIDRs      []string           `json:"AllowedCidrs,omitempty"`
	DisallowedCIDRs   []string           `json:"DisallowedCidrs,omitempty"`
	Description       string             `json:"Description,omitempty"`
	TagSpecifications []TagSpecification `json:"TagSpecifications,omitempty"`
	StableKey         string             `json:"StableKey,omitempty"`
}

// TagSpecification are tags for what a request makes.
type TagSpecification struct {
	ResourceType string `json:"ResourceType"`
	Tags         []Tag  `json:"Tags"`
}

// Tag is one tag of a request.
type Tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

// RequestFailed is the detail of CIDR Request Failed.
type RequestFailed struct {
	Header
	RequestID string          `json:"requestId"`
	Account   string          `json:"account"` // that asked
	Region    string          `json:"region"`  // that it asked from
	Code      string          `json:"code"`    // as the API answers it
	Message   string          `json:"message"`
	Request   json.RawMessage `json:"request,omitempty"` // the detail of CIDR Requested as it came
}

// Allocation is the detail of CIDR Allocated and CIDR Released.
type Allocation struct {
	Header
	RequestID      string    `json:"requestId,omitempty"` // of the CIDR Requested that asked for it
	PoolID         string    `json:"ipamPoolId"`
	AllocationID   string    `json:"ipamPoolAllocationId"`
	CIDR           string    `json:"cidr"`
	ResourceType   ipam.Kind `json:"resourceType"`
	ResourceOwner  string    `json:"resourceOwner"`
	ResourceID     string    `json:"resourceId,omitempty"`
	ResourceRegion string    `json:"resourceRegion,omitempty"`
	Description    string    `json:"description,omitempty"`
	Tags           ipam.Tags `json:"tags,omitempty"`
}

// PoolCIDR is the detail of Pool CIDR Provisioned and Pool CIDR Deprovisioned.
type PoolCIDR struct {
	Header
	PoolID     string `json:"ipamPoolId"`
	PoolCIDRID string `json:"ipamPoolCidrId"`
	CIDR       string `json:"cidr"`
	OwnerID    string `json:"ownerId"`
}

// Utilization is the detail of Pool Utilization Threshold Crossed.
type Utilization struct {
	Header
	PoolID    string  `json:"ipamPoolId"`
	Crossed   bool    `json:"crossed"` // false: usage is well below again
	Percent   float64 `json:"percent"` // of the pool's addresses taken, 0 to 100
	Threshold int64   `json:"threshold"`
}

// Resource is the detail of Resource Discovered and Resource Gone, and a part of
// others.
type Resource struct {
	Header
	ScopeID      string            `json:"ipamScopeId"`
	ResourceType ipam.ResourceType `json:"resourceType"`
	ResourceID   string            `json:"resourceId"`
	CIDR         string            `json:"resourceCidr"`
	OwnerID      string            `json:"resourceOwnerId"`
	Region       string            `json:"resourceRegion"`
	Name         string            `json:"resourceName,omitempty"`
	VPCID        string            `json:"vpcId,omitempty"`
	Tags         ipam.Tags         `json:"resourceTags,omitempty"`
}

// Overlap is the detail of Overlap Detected and Overlap Cleared.
type Overlap struct {
	Resource
	With     string `json:"overlapsWith"`     // id of a resource or allocation, one of perhaps several
	WithCIDR string `json:"overlapsWithCidr"` // its CIDR
}

// Compliance is the detail of Resource Noncompliant and Resource Compliant.
type Compliance struct {
	Resource
	PoolID       string `json:"ipamPoolId"`
	AllocationID string `json:"ipamPoolAllocationId"`
	Reason       string `json:"reason,omitempty"` // which of the pool's rules it breaks
}

// Entry is an event in the catalogue.
type Entry struct {
	Name   Name
	When   string
	Detail any  // the zero value of the detail's type
	In     bool // others put it on the bus, for Cadastre
}

// Catalogue lists all events.
var Catalogue = []Entry{
	{Name: CIDRRequested, When: "Ask for a CIDR of a pool. Each request is answered by one `CIDR Allocated` or `CIDR Request Failed` with its `requestId`.", Detail: Request{}, In: true},
	{Name: CIDRAllocated, When: "A CIDR was taken out of a pool, by a request or by the import of a resource.", Detail: Allocation{}},
	{Name: CIDRRequestFailed, When: "A `CIDR Requested` was refused, for good; the `code` and `message` are those of the API.", Detail: RequestFailed{}},
	{Name: CIDRReleased, When: "An allocation ended.", Detail: Allocation{}},
	{Name: PoolCIDRProvisioned, When: "A CIDR was put into a pool and can be allocated from.", Detail: PoolCIDR{}},
	{Name: PoolCIDRDeprovisioned, When: "A CIDR was taken out of its pool.", Detail: PoolCIDR{}},
	{Name: PoolUtilization, When: "A pool's usage reached the threshold (`crossed` is true), or went well below it again (false).", Detail: Utilization{}},
	{Name: OverlapDetected, When: "Another resource, or a custom allocation, intersects a resource's CIDR in its scope. Each of the two resources has its own event.", Detail: Overlap{}},
	{Name: OverlapCleared, When: "A resource's CIDR overlaps with nothing any more, or is gone, or ignored. `overlapsWith` is what it overlapped with last.", Detail: Overlap{}},
	{Name: ResourceNoncompliant, When: "A managed resource's CIDR breaks a rule of its pool.", Detail: Compliance{}},
	{Name: ResourceCompliant, When: "A managed resource's CIDR meets the rules of its pool: at its first check, or again.", Detail: Compliance{}},
	{Name: ResourceDiscovered, When: "A resource's CIDR was found in a scope, or moved to it.", Detail: Resource{}},
	{Name: ResourceGone, When: "A resource's CIDR is no more in a scope: it was deleted, or moved to another.", Detail: Resource{}},
}

// Stem is the first part of the names of the event's files: CIDR Allocated's are
// cidr-allocated.v1.schema.json and cidr-allocated.v1.example.json.
func (n Name) Stem() string {
	return strings.ReplaceAll(strings.ToLower(string(n)), " ", "-") + ".v" + Version
}

//go:embed *.schema.json
var files embed.FS

// Schema returns the JSON Schema (draft 2020-12) of the event as EventBridge
// delivers it.
func Schema(n Name) ([]byte, error) {
	b, err := files.ReadFile(n.Stem() + ".schema.json")
	if err != nil {
		return nil, fmt.Errorf("event %q: %w", n, err)
	}
	return b, nil
}
