// Package ipamresources provides constructs for CDK apps in Go of the IPAM resources
// that functions/customresource makes. They are the counterparts of awsec2.CfnIPAM
// and the like, with the same properties. They also take a [Selector] instead of the
// id of a pool.
package ipamresources

import (
	"maps"
	"reflect"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/constructs-go/constructs/v10"
)

// Selector selects the pool that has all of the given properties. Exactly one pool
// must have them when CloudFormation makes the resource.
type Selector struct {
	AddressFamily string // "ipv4" or "ipv6"
	Description   string
	IpamScopeID   string
	Locale        string
	Tags          map[string]string
}

// properties returns the selector in the form of the template, nil for none.
func (s *Selector) properties() map[string]any {
	if s == nil {
		return nil
	}
	p := map[string]any{}
	for name, value := range map[string]string{"AddressFamily": s.AddressFamily, "Description": s.Description, "IpamScopeId": s.IpamScopeID, "Locale": s.Locale} {
		if value != "" {
			p[name] = value
		}
	}
	var tags []any
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		tags = append(tags, map[string]any{"Key": key, "Value": s.Tags[key]})
	}
	if tags != nil {
		p["Tags"] = tags
	}
	return p
}

// IPAM is an IPAM with its two default scopes.
type IPAM struct{ awscdk.CustomResource }

// IPAMProps are the properties of an IPAM. In all properties of this package,
// ServiceToken is the ARN of the function in the stack's Region.
type IPAMProps struct {
	awsec2.CfnIPAMProps
	ServiceToken string
}

// NewIPAM adds an IPAM to a stack.
func NewIPAM(scope constructs.Construct, id string, props *IPAMProps) *IPAM {
	return &IPAM{add(scope, id, "Custom::Ipam", props.ServiceToken, props.CfnIPAMProps, nil, nil)}
}

// IpamID returns the IPAM's id. Like all attributes it is a CDK token.
func (r *IPAM) IpamID() *string { return r.Ref() }

// PrivateDefaultScopeID returns the id of the default private scope.
func (r *IPAM) PrivateDefaultScopeID() *string { return attribute(r, "PrivateDefaultScopeId") }

// PublicDefaultScopeID returns the id of the default public scope.
func (r *IPAM) PublicDefaultScopeID() *string { return attribute(r, "PublicDefaultScopeId") }

// Scope is a private scope.
type Scope struct{ awscdk.CustomResource }

// ScopeProps are the properties of a scope.
type ScopeProps struct {
	awsec2.CfnIPAMScopeProps
	ServiceToken string
}

// NewScope adds a scope to a stack.
func NewScope(scope constructs.Construct, id string, props *ScopeProps) *Scope {
	return &Scope{add(scope, id, "Custom::IpamScope", props.ServiceToken, props.CfnIPAMScopeProps, nil, nil)}
}

// IpamScopeID returns the scope's id.
func (r *Scope) IpamScopeID() *string { return r.Ref() }

// Pool is a pool.
type Pool struct{ awscdk.CustomResource }

// PoolProps are the properties of a pool. Source selects its source pool instead of
// SourceIpamPoolId. If IpamScopeId is nil, the scope is the source pool's.
type PoolProps struct {
	awsec2.CfnIPAMPoolProps
	ServiceToken string
	Source       *Selector
}

// NewPool adds a pool to a stack.
func NewPool(scope constructs.Construct, id string, props *PoolProps) *Pool {
	return &Pool{add(scope, id, "Custom::IpamPool", props.ServiceToken, props.CfnIPAMPoolProps, props.Source, nil)}
}

// IpamPoolID returns the pool's id.
func (r *Pool) IpamPoolID() *string { return r.Ref() }

// Arn returns the pool's ARN.
func (r *Pool) Arn() *string { return attribute(r, "Arn") }

// PoolCIDR is a CIDR provisioned to a pool.
type PoolCIDR struct{ awscdk.CustomResource }

// PoolCIDRProps are the properties of a pool's CIDR. Pool selects the pool instead of
// IpamPoolId.
type PoolCIDRProps struct {
	awsec2.CfnIPAMPoolCidrProps
	ServiceToken string
	Pool         *Selector
}

// NewPoolCIDR adds a pool's CIDR to a stack.
func NewPoolCIDR(scope constructs.Construct, id string, props *PoolCIDRProps) *PoolCIDR {
	return &PoolCIDR{add(scope, id, "Custom::IpamPoolCidr", props.ServiceToken, props.CfnIPAMPoolCidrProps, props.Pool, nil)}
}

// CIDR returns the CIDR.
func (r *PoolCIDR) CIDR() *string { return attribute(r, "Cidr") }

// Allocation is an allocation from a pool.
type Allocation struct{ awscdk.CustomResource }

// AllocationProps are the properties of an allocation. Pool selects the pool instead
// of IpamPoolId. With a StableKey, an allocation that is deleted and made again gets
// the same CIDR if that is still free; "" is no key.
type AllocationProps struct {
	awsec2.CfnIPAMAllocationProps
	ServiceToken string
	Pool         *Selector
	StableKey    string
}

// NewAllocation adds an allocation to a stack.
func NewAllocation(scope constructs.Construct, id string, props *AllocationProps) *Allocation {
	var more map[string]any
	if props.StableKey != "" {
		more = map[string]any{"StableKey": props.StableKey}
	}
	return &Allocation{add(scope, id, "Custom::IpamAllocation", props.ServiceToken, props.CfnIPAMAllocationProps, props.Pool, more)}
}

// CIDR returns the allocated CIDR.
func (r *Allocation) CIDR() *string { return attribute(r, "Cidr") }

// IpamPoolAllocationID returns the allocation's id.
func (r *Allocation) IpamPoolAllocationID() *string { return attribute(r, "IpamPoolAllocationId") }

// IpamPoolID returns the id of the allocation's pool.
func (r *Allocation) IpamPoolID() *string { return attribute(r, "IpamPoolId") }

// attribute returns an attribute of a custom resource.
func attribute(r awscdk.CustomResource, name string) *string { return r.GetAttString(&name) }

// add adds a custom resource to a stack. Its properties are the fields of props, the
// selector, and the properties of more, which AWS's type does not have.
func add(scope constructs.Construct, id, kind, token string, props any, selected *Selector, more map[string]any) awscdk.CustomResource {
	p := properties(reflect.ValueOf(props)).(map[string]any)
	maps.Copy(p, more)
	if s := selected.properties(); s != nil {
		p["IpamPoolSelector"] = s
	}
	return awscdk.NewCustomResource(scope, &id, &awscdk.CustomResourceProps{
		ResourceType: &kind, ServiceToken: &token, Properties: &p, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
}

// properties converts a value of CDK's generated types to the form of a template.
// The fields of their structs have the names of the properties.
func properties(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if _, token := v.Interface().(awscdk.IResolvable); token || v.IsNil() {
			return v.Interface()
		}
		return properties(v.Elem())
	case reflect.Struct:
		p := map[string]any{}
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				p[v.Type().Field(i).Name] = properties(f)
			}
		}
		return p
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = properties(v.Index(i))
		}
		return list
	}
	return v.Interface()
}
