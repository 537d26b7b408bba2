// Package events holds what Cadastre tells on its event bus: the events' names
// and details, and their JSON Schemas.
//
// Members are called as in the EC2 API's answers, in lower camel case. Within a
// version, members are only added.
package events

import (
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Source is the source of every event.
const Source = "cadastre.ipam"

// Version is that of the details, and of the schemas.
const Version = "1"

// Name is an event's detail-type.
type Name string

// The events.
const (
	CIDRAllocated         Name = "CIDR Allocated"
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

// Header is in every detail.
type Header struct {
	Version string    `json:"version"`
	ID      string    `json:"id"`   // the same whenever the event is delivered
	Time    time.Time `json:"time"` // of the change, to the second
}

// Allocation is the detail of CIDR Allocated and CIDR Released.
type Allocation struct {
	Header
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
	Detail any // the zero value of the detail's type
}

// Catalogue lists all events.
var Catalogue = []Entry{
	{CIDRAllocated, "A CIDR was taken out of a pool, by a request or by the import of a resource.", Allocation{}},
	{CIDRReleased, "An allocation ended.", Allocation{}},
	{PoolCIDRProvisioned, "A CIDR was put into a pool and can be allocated from.", PoolCIDR{}},
	{PoolCIDRDeprovisioned, "A CIDR was taken out of its pool.", PoolCIDR{}},
	{PoolUtilization, "A pool's usage reached the threshold (`crossed` is true), or went well below it again (false).", Utilization{}},
	{OverlapDetected, "Another resource, or a custom allocation, intersects a resource's CIDR in its scope. Each of the two resources has its own event.", Overlap{}},
	{OverlapCleared, "A resource's CIDR overlaps with nothing any more, or is gone, or ignored. `overlapsWith` is what it overlapped with last.", Overlap{}},
	{ResourceNoncompliant, "A managed resource's CIDR breaks a rule of its pool.", Compliance{}},
	{ResourceCompliant, "A managed resource's CIDR meets the rules of its pool: at its first check, or again.", Compliance{}},
	{ResourceDiscovered, "A resource's CIDR was found in a scope, or moved to it.", Resource{}},
	{ResourceGone, "A resource's CIDR is no more in a scope: it was deleted, or moved to another.", Resource{}},
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
