// Package events holds the events on Cadastre's bus: those that Cadastre puts there,
// and the one by which an account requests a CIDR. It has their names, the types of
// their details, and their JSON Schemas.
//
// The members of a detail have the names of the EC2 API's answers, in lower camel
// case. The members of a request have the names of the operation's JSON input. A
// version never loses a member; it can only gain members.
package events

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Source is the source of every event that Cadastre puts on its bus.
const Source = "cadastre.ipam"

// Version is the version of the details and the schemas.
const Version = "1"

// Name is the detail-type of an event.
type Name string

// The events.
const (
	CIDRRequested         Name = "CIDR Requested" // the only event that others put on the bus
	CIDRAllocated         Name = "CIDR Allocated"
	CIDRRequestFailed     Name = "CIDR Request Failed"
	CIDRReleased          Name = "CIDR Released"
	PoolCIDRProvisioned   Name = "Pool CIDR Provisioned"
	PoolCIDRDeprovisioned Name = "Pool CIDR Deprovisioned"
	PoolUtilization       Name = "Pool Utilization Threshold Crossed"
	PoolForecast          Name = "Pool Exhaustion Forecast"
	OverlapDetected       Name = "Overlap Detected"
	OverlapCleared        Name = "Overlap Cleared"
	ResourceNoncompliant  Name = "Resource Noncompliant"
	ResourceCompliant     Name = "Resource Compliant"
	ResourceDiscovered    Name = "Resource Discovered"
	ResourceGone          Name = "Resource Gone"
)

// Header is part of every detail, except the detail of CIDR Requested.
type Header struct {
	Version string    `json:"version"`
	ID      string    `json:"id"`   // the same in each delivery of the event
	Time    time.Time `json:"time"` // the time of the change, to the second
}

// Request is the detail of CIDR Requested: the input of AllocateIpamPoolCidr without
// its client token and preview, and the id and the Region of the request.
type Request struct {
	ID                string             `json:"requestId,omitempty"` // if absent, the id of the event
	Region            string             `json:"region,omitempty"`    // if absent, the Region of the event
	PoolID            string             `json:"IpamPoolId"`
	NetmaskLength     *int               `json:"NetmaskLength,omitempty"`
	CIDR              string             `json:"Cidr,omitempty"`
	AllowedCIDRs      []string           `json:"AllowedCidrs,omitempty"`
	DisallowedCIDRs   []string           `json:"DisallowedCidrs,omitempty"`
	Description       string             `json:"Description,omitempty"`
	TagSpecifications []TagSpecification `json:"TagSpecifications,omitempty"`
	StableKey         string             `json:"StableKey,omitempty"`
}

// TagSpecification has the tags for the allocation of a request.
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
	Account   string          `json:"account"` // the account of the request
	Region    string          `json:"region"`  // the Region of the request
	Code      string          `json:"code"`    // the error code of the API
	Message   string          `json:"message"`
	Request   json.RawMessage `json:"request,omitempty"` // the unchanged detail of CIDR Requested
}

// Allocation is the detail of CIDR Allocated and CIDR Released.
type Allocation struct {
	Header
	RequestID      string    `json:"requestId,omitempty"` // the id of the CIDR Requested, if there was one
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
	Crossed   bool    `json:"crossed"` // false if the usage is well below the threshold again
	Percent   float64 `json:"percent"` // the used share of the pool's addresses, 0 to 100
	Threshold int64   `json:"threshold"`
}

// Forecast is the detail of Pool Exhaustion Forecast. A time is absent if the forecast has
// none.
type Forecast struct {
	Header
	PoolID    string     `json:"ipamPoolId"`
	Crossed   bool       `json:"crossed"`                      // false if the pool lasts well longer than the threshold again
	Outcome   string     `json:"outcome"`                      // exhaustion, exhausted, not-growing
	Expected  *time.Time `json:"expectedExhaustion,omitempty"` // when the pool is expected to have no free address
	Earliest  *time.Time `json:"earliestExhaustion,omitempty"` // if its use grows as fast as in the fastest tenth of the past
	Latest    *time.Time `json:"latestExhaustion,omitempty"`   // if it grows as slowly as in the slowest tenth
	Threshold int64      `json:"thresholdDays"`
}

// Resource is the detail of Resource Discovered and Resource Gone, and part of other
// details.
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
	With     string `json:"overlapsWith"`     // the id of one resource or allocation of those that overlap
	WithCIDR string `json:"overlapsWithCidr"` // its CIDR
}

// Compliance is the detail of Resource Noncompliant and Resource Compliant.
type Compliance struct {
	Resource
	PoolID       string `json:"ipamPoolId"`
	AllocationID string `json:"ipamPoolAllocationId"`
	Reason       string `json:"reason,omitempty"` // the rules of the pool that the CIDR breaks
}

// Entry is the entry of an event in the catalogue.
type Entry struct {
	Name   Name
	When   string // the reason for the event, in a sentence
	Detail any    // the zero value of the detail's type
	In     bool   // others put the event on the bus, for Cadastre
}

// Catalogue lists all events.
var Catalogue = []Entry{
	{Name: CIDRRequested, When: "An account requests a CIDR of a pool. Each request has one answer, `CIDR Allocated` or `CIDR Request Failed` with its `requestId`.", Detail: Request{}, In: true},
	{Name: CIDRAllocated, When: "A CIDR was allocated from a pool, by a request or by the import of a resource.", Detail: Allocation{}},
	{Name: CIDRRequestFailed, When: "A `CIDR Requested` was refused, and is not tried again. `code` and `message` have the API's values.", Detail: RequestFailed{}},
	{Name: CIDRReleased, When: "An allocation ended.", Detail: Allocation{}},
	{Name: PoolCIDRProvisioned, When: "A CIDR was provisioned to a pool and can be allocated from.", Detail: PoolCIDR{}},
	{Name: PoolCIDRDeprovisioned, When: "A CIDR was deprovisioned from its pool.", Detail: PoolCIDR{}},
	{Name: PoolUtilization, When: "The usage of a pool reached the threshold (`crossed` is true), or fell well below it again (`crossed` is false).", Detail: Utilization{}},
	{Name: PoolForecast, When: "A pool is expected to be exhausted within the threshold (`crossed` is true), or lasts well longer again (`crossed` is false).", Detail: Forecast{}},
	{Name: OverlapDetected, When: "Another resource or a custom allocation overlaps with the CIDR of a resource in its scope. Each of the two resources has an event.", Detail: Overlap{}},
	{Name: OverlapCleared, When: "The CIDR of a resource no longer overlaps, or is gone, or is ignored. `overlapsWith` names the last overlap.", Detail: Overlap{}},
	{Name: ResourceNoncompliant, When: "The CIDR of a managed resource breaks a rule of its pool.", Detail: Compliance{}},
	{Name: ResourceCompliant, When: "The CIDR of a managed resource satisfies the rules of its pool, at its first check or again.", Detail: Compliance{}},
	{Name: ResourceDiscovered, When: "Discovery found the CIDR of a resource in a scope, or the CIDR moved to the scope.", Detail: Resource{}},
	{Name: ResourceGone, When: "The CIDR of a resource is no longer in a scope: it was deleted, or moved to another scope.", Detail: Resource{}},
}

// Stem is the first part of the names of the event's files. The files of CIDR
// Allocated are cidr-allocated.v1.schema.json and cidr-allocated.v1.example.json.
func (n Name) Stem() string {
	return strings.ReplaceAll(strings.ToLower(string(n)), " ", "-") + ".v" + Version
}

//go:embed *.schema.json
var files embed.FS

// Schema returns the JSON Schema (draft 2020-12) of the event in the form in which
// EventBridge delivers it.
func Schema(n Name) ([]byte, error) {
	b, err := files.ReadFile(n.Stem() + ".schema.json")
	if err != nil {
		return nil, fmt.Errorf("event %q: %w", n, err)
	}
	return b, nil
}
