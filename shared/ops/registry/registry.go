// Package registry keeps the operations by name, and carries them out for a
// caller. An operation is defined once, with the AWS SDK's own input and output
// types. Every door (EC2 Query, JSON, events, custom resources) reaches it through
// [Registry.Call], which authorizes the caller, checks the input and handles
// DryRun. The package knows no operation.
package registry

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Class is the permission that an operation needs. Classes are ordered: a
// principal's class includes the lower ones. The zero Class is none.
type Class uint8

// The classes, lowest first.
const (
	Read       Class = iota + 1 // sees objects
	Allocate                    // takes space out of pools, and gives it back
	Administer                  // changes IPAMs, scopes, pools and their CIDRs
)

var classNames = [...]string{"none", "read", "allocate", "administer"}

// String returns the class's name, lower case.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Meta describes an operation to the doors and the docs.
type Meta struct {
	Class      Class
	Mutates    bool
	Paginated  bool
	Idempotent bool   // takes a ClientToken
	Home       bool   // only callers of the owner account may call it: it changes the deployment, not an account's objects
	Management bool   // only callers of the organisation's management account may call it; no class is needed
	Summary    string // one line for the docs and OpenAPI
}

// Caller is the identity behind a call. The door has verified it, but for Region.
type Caller struct {
	Account        string // 12 digits
	OrganizationID string // o-…; "" if the account is in none, or if the door does not know
	ARN            string // of the principal
	Region         string // the caller claims it, and only locale checks use it; "" is the home Region
	Request        string // id of the event that carries the call; "" if no event does
	Stacks         bool   // whether a function of custom resources calls, which sets the tags of stacks
}

// Root returns the caller that has all rights of an account, as its root user has.
// region is any Region of the account's partition.
func Root(account, region string) Caller {
	return Caller{Account: account, ARN: "arn:" + ipam.PartitionOf(region) + ":iam::" + account + ":root"}
}

type callerKey struct{}

// WithCaller returns a context that carries c. Only doors call it, with an
// identity that the caller cannot forge.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the context's caller, and the zero Caller, which every
// Authorizer refuses, if it has none.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Authorizer decides whether a caller has a class. Authorize returns nil if the
// caller has it. If not, it returns an [ipam.Error] of the code
// UnauthorizedOperation that names the caller's class. Any other error means that
// it could not decide.
type Authorizer interface {
	Authorize(ctx context.Context, c Caller, class Class) error
}

// Operation is an operation that [Define] added to a [Registry].
type Operation struct {
	Name string
	Meta
	InType, OutType reflect.Type // structs, such as ec2.AllocateIpamPoolCidrInput

	fresh  func() any
	invoke func(context.Context, any) (any, error)
	input  func() (*schema.Binding, error) // of InType, made at the first call; nil for an operation outside the model
	dryRun int                             // index of the field DryRun of InType; -1 if it has none
}

// New returns a pointer to a zero input.
func (o *Operation) New() any { return o.fresh() }

// Registry holds the operations. Define all of them before the first Call; from
// then on a Registry is safe for concurrent use.
type Registry struct {
	auth       Authorizer
	operations map[string]*Operation

	owner            string                                            // the account that the deployment belongs to
	checkManagement  func(ctx context.Context, operation string) error // nil: no caller passes
	operationContext func(context.Context) context.Context             // nil: the door's context
}

// An Option configures a [Registry].
type Option func(*Registry)

// WithOwner sets the account that the deployment belongs to. Without it, nobody may
// call the operations whose [Meta] has Home.
func WithOwner(account string) Option {
	return func(r *Registry) { r.owner = account }
}

// WithManagementCheck sets the check for the operations whose [Meta] has Management.
// check returns an error unless the context's caller calls from the organisation's
// management account. Without it, nobody may call these operations.
func WithManagementCheck(check func(ctx context.Context, operation string) error) Option {
	return func(r *Registry) { r.checkManagement = check }
}

// WithOperationContext sets a function that derives the context of an operation
// from the door's. Without it, an operation runs in the door's context.
func WithOperationContext(derive func(context.Context) context.Context) Option {
	return func(r *Registry) { r.operationContext = derive }
}

// New returns an empty registry. auth decides on its calls. A registry without
// one, nil, can be listed but not called.
func New(auth Authorizer, options ...Option) *Registry {
	r := &Registry{auth: auth, operations: map[string]*Operation{}}
	for _, option := range options {
		option(r)
	}
	return r
}

// Define adds an operation. It panics if the name is taken or meta has no
// class, since both are mistakes in the program.
func Define[In, Out any](r *Registry, name string, meta Meta, f func(context.Context, *In) (*Out, error)) {
	if _, taken := r.operations[name]; taken {
		panic("registry: " + name + " is defined twice")
	}
	if meta.Class < Read || meta.Class > Administer {
		panic("registry: " + name + " has no class")
	}
	o := &Operation{
		Name: name, Meta: meta, dryRun: -1,
		InType: reflect.TypeFor[In](), OutType: reflect.TypeFor[Out](),
		fresh: func() any { return new(In) },
		invoke: func(ctx context.Context, in any) (any, error) {
			out, err := f(ctx, in.(*In))
			if err != nil {
				return nil, err // not out: a nil *Out in an any is not nil
			}
			return out, nil
		},
	}
	if f, ok := o.InType.FieldByName("DryRun"); ok && len(f.Index) == 1 {
		o.dryRun = f.Index[0]
	}
	if _, ok := schema.Lookup(name); ok {
		o.input = sync.OnceValues(func() (*schema.Binding, error) { return schema.Input(name, o.InType) })
	}
	r.operations[name] = o
}

// Lookup returns the operation of that name.
func (r *Registry) Lookup(name string) (*Operation, bool) {
	o, ok := r.operations[name]
	return o, ok
}

// Operations returns all operations, sorted by name.
func (r *Registry) Operations() []*Operation {
	return slices.SortedFunc(maps.Values(r.operations), func(a, b *Operation) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

// Call carries out an operation for the context's caller. in is a pointer to the
// operation's input type, and out is a pointer to its output type. Call refuses, in
// this order: an unknown action; a caller without the operation's class, or of an
// account that the operation is not for; an input that lacks a required member, or
// has a value outside the API model's ranges and enumerations; and DryRun.
//
// If it is unknown whether an operation with a client token was carried out, the code
// is Unavailable and not OutcomeUnknown: the SDKs then repeat the call by themselves,
// with the same token, and the repetition finds the outcome.
func (r *Registry) Call(ctx context.Context, name string, in any) (out any, err error) {
	o, ok := r.operations[name]
	if !ok {
		return nil, Unknown(name)
	}
	if reflect.TypeOf(in) != reflect.PointerTo(o.InType) || reflect.ValueOf(in).IsNil() {
		return nil, fmt.Errorf("call %s: the input is a %T and not a *%s", name, in, o.InType)
	}
	if err := r.authorize(ctx, o); err != nil {
		return nil, err
	}
	if o.input != nil {
		binding, err := o.input()
		if err != nil {
			return nil, err
		}
		if err := binding.Check(in); err != nil {
			return nil, err
		}
	}
	if o.isDryRun(in) {
		return nil, ipam.Errorf(ipam.CodeDryRunOperation, "Request would have succeeded, but DryRun flag is set.")
	}
	if r.operationContext != nil {
		ctx = r.operationContext(ctx)
	}
	out, err = o.invoke(ctx, in)
	if o.Idempotent && ipam.CodeOf(err) == ipam.CodeOutcomeUnknown && clientToken(in) != "" {
		err = fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable, "%s", ipam.Public(err).Message), err)
	}
	return out, err
}

// clientToken returns the ClientToken of an operation's input, "" if it has none.
func clientToken(in any) string {
	f := reflect.ValueOf(in).Elem().FieldByName("ClientToken")
	if !f.IsValid() {
		return ""
	}
	token, _ := f.Interface().(*string)
	return aws.ToString(token)
}

// Unknown returns the error for an action that is not defined:
// UnsupportedOperation if the EC2 IPAM API has it, else InvalidAction.
func Unknown(name string) error {
	if _, ok := schema.Lookup(name); ok {
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "The action %s is part of the EC2 IPAM API but is not built here yet. GET /v1/openapi.json lists the actions that are.", name)
	}
	return ipam.Errorf(ipam.CodeInvalidAction, "The action %s is not valid for this endpoint. GET /v1/openapi.json lists the actions that are.", schema.Excerpt(name))
}

// Authorize returns the error by which [Registry.Call] refuses the context's caller with
// any input, and nil if Call does not refuse the caller.
func (r *Registry) Authorize(ctx context.Context, name string) error {
	o, ok := r.operations[name]
	if !ok {
		return Unknown(name)
	}
	return r.authorize(ctx, o)
}

// Access returns the class of the context's caller, and the names of the operations that
// [Registry.Call] does not refuse it, sorted. A caller without a class has the zero Class
// and, unless it calls from the management account, no operations. It returns an error if
// the class cannot be decided.
func (r *Registry) Access(ctx context.Context) (class Class, names []string, err error) {
	c := CallerFrom(ctx)
	for class = Administer; class > 0; class-- {
		if err = r.auth.Authorize(ctx, c, class); err == nil {
			break
		}
		if ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
			return 0, nil, fmt.Errorf("find the class of %s: %w", c.ARN, err)
		}
	}
	for _, o := range r.Operations() {
		if o.Management {
			if r.checkManagement == nil || r.checkManagement(ctx, o.Name) != nil {
				continue
			}
		} else if class < o.Class || o.Home && (r.owner == "" || c.Account != r.owner) {
			continue
		}
		names = append(names, o.Name)
	}
	return class, names, nil
}

func (r *Registry) authorize(ctx context.Context, o *Operation) error {
	c := CallerFrom(ctx)
	if c.Account == "" || c.ARN == "" {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation,
			"You are not authorized to perform this operation. %s came without a verified account and principal; sign the request with IAM credentials.", o.Name)
	}
	if o.Management {
		if r.checkManagement == nil {
			return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. %s is for the management account of the organization, which this deployment does not know.", o.Name)
		}
		return r.checkManagement(ctx, o.Name)
	}
	err := r.auth.Authorize(ctx, c, o.Class)
	if ipam.CodeOf(err) == ipam.CodeUnauthorizedOperation {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. %s needs the class %s; %s",
			o.Name, o.Class, ipam.Public(err).Message)
	}
	if err != nil {
		return fmt.Errorf("authorize %s for %s: %w", c.ARN, o.Name, err)
	}
	if o.Home && (r.owner == "" || c.Account != r.owner) {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. %s is for the account that Cadastre is deployed in, and you call from %s.", o.Name, c.Account)
	}
	return nil
}

// isDryRun reports whether the input's DryRun member is true.
func (o *Operation) isDryRun(in any) bool {
	if o.dryRun < 0 {
		return false
	}
	switch b := reflect.ValueOf(in).Elem().Field(o.dryRun).Interface().(type) {
	case *bool:
		return b != nil && *b
	case bool:
		return b
	}
	return false
}
