// Command customresource is the Lambda function behind the custom resources of
// CloudFormation: Custom::Ipam, Custom::IpamScope, Custom::IpamPool,
// Custom::IpamPoolCidr and Custom::IpamAllocation. They have the properties,
// attributes and update behaviour of AWS::EC2::IPAM, IPAMScope, IPAMPool,
// IPAMPoolCidr and IPAMAllocation (CloudFormation Template Reference).
//
// In the owner account the function works on the table. As a forwarder, with
// EnvEndpoint set, it calls the API at that endpoint with its own role. Stacks of
// member accounts and of other Regions need a forwarder, as a stack's service token
// must be in the stack's account and Region.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// A call that may succeed later is made again, at most maxTries times in all, after
// waits that double.
const (
	maxTries  = 6
	firstWait = 200 * time.Millisecond
	longWait  = 10 * time.Second
)

// Options are the handler's dependencies besides its caller. The zero value is
// complete.
type Options struct {
	telemetry.Options
	Sleep  func(ctx context.Context, d time.Duration) error // backoff.Sleep if nil
	Client *http.Client                                     // sends the answers, and follows no redirect; http.DefaultClient if nil
	// ResponseURL is the value of EnvResponseURL.
	ResponseURL string
	// Stacks reads the stack of a request. If it is nil, an object that an update of
	// unknown outcome was to replace is never removed.
	Stacks Stacks
	// Reserve is the time that is kept twice at the end of the invocation: once to
	// undo a failed request, and once to answer; 10 s if 0.
	Reserve time.Duration
}

// Handler serves the requests of CloudFormation. It is safe for concurrent use.
type Handler struct {
	caller Caller
	o      Options
}

// New returns a handler that works through the caller.
func New(caller Caller, o Options) *Handler {
	if o.Sleep == nil {
		o.Sleep = backoff.Sleep
	}
	direct := http.Client{}
	if o.Client != nil {
		direct = *o.Client
	}
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.Client = &direct
	if o.Reserve == 0 {
		o.Reserve = 10 * time.Second
	}
	return &Handler{caller, o}
}

// resource is a type of custom resource. create and update return the physical id that
// the stack must know, with an error, too, and the attributes that Fn::GetAtt returns.
type resource interface {
	create(context.Context, *request) (id physicalID, attributes map[string]any, err error)
	update(context.Context, *request) (id physicalID, attributes map[string]any, err error)
	delete(context.Context, *request) error
}

// resources holds the types by name.
var resources = map[string]resource{
	"Custom::Ipam":           ipamKind,
	"Custom::IpamScope":      scopeKind,
	"Custom::IpamPool":       poolKind,
	"Custom::IpamPoolCidr":   poolCIDRKind,
	"Custom::IpamAllocation": allocationKind,
}

// Handle serves one request, answers CloudFormation, and logs one record. It returns an
// error if it could not send the answer. Lambda then invokes the function again with
// the same request, which has the same outcome. A request with another address than
// CloudFormation's is not served.
func (h *Handler) Handle(ctx context.Context, e cfn.Event) error {
	var unsent error
	_ = h.o.Unit(ctx, telemetry.Unknown, func(ctx context.Context, record *telemetry.Record) error {
		if unsent = h.checkAddress(&e); unsent != nil {
			describe(record, &e, e.PhysicalResourceID, nil, unsent)
			return unsent
		}
		answer := cfn.NewResponse(&e)
		id, attributes, err := h.serve(ctx, &e)
		answer.Status, answer.PhysicalResourceID, answer.Data = cfn.StatusSuccess, id.String(), attributes
		if err != nil {
			answer.Status, answer.Data, answer.Reason = cfn.StatusFailed, nil, ipam.Public(err).Error()
		}
		unsent = h.send(ctx, e.ResponseURL, answer)
		describe(record, &e, answer.PhysicalResourceID, err, unsent)
		return err
	})
	return unsent
}

func (h *Handler) serve(ctx context.Context, e *cfn.Event) (id physicalID, attributes map[string]any, err error) {
	r := h.newRequest(e)
	defer func() {
		if p := recover(); p != nil {
			id, attributes, err = r.currentOr(r.unfinished()), nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	kind, ok := resources[e.ResourceType]
	if e.RequestType == cfn.RequestDelete {
		if ok {
			err = kind.delete(ctx, r)
		}
		return r.current, nil, err
	}
	if !ok {
		return r.currentOr(nothing), nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "%s is no type of custom resource that this function has. Use one of: %s.",
			schema.Excerpt(e.ResourceType), strings.Join(slices.Sorted(maps.Keys(resources)), ", "))
	}
	switch e.RequestType {
	case cfn.RequestCreate:
		return kind.create(ctx, r)
	case cfn.RequestUpdate:
		return kind.update(ctx, r)
	}
	return r.currentOr(nothing), nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "%s is no type of request. There are Create, Update and Delete.", schema.Excerpt(string(e.RequestType)))
}

// describe adds a request's attributes to its log record. Only names of known types and
// requests become dimensions of metrics.
func describe(record *telemetry.Record, e *cfn.Event, id string, err, unsent error) {
	if _, ok := resources[e.ResourceType]; ok && (e.RequestType == cfn.RequestCreate || e.RequestType == cfn.RequestUpdate || e.RequestType == cfn.RequestDelete) {
		record.Operation = string(e.RequestType) + " " + e.ResourceType
	}
	record.Add(
		slog.String("stack_id", schema.Excerpt(e.StackID)),
		slog.String("logical_id", schema.Excerpt(e.LogicalResourceID)),
		slog.String("physical_id", schema.Excerpt(id)),
		slog.String("cloudformation_request_id", schema.Excerpt(e.RequestID)),
	)
	if err != nil && !maybeDone(err) {
		record.SetLevel(slog.LevelWarn)
	}
	if unsent != nil {
		record.SetLevel(slog.LevelError)
		record.Add(slog.String("unsent", unsent.Error()))
	}
}

// request is a request of CloudFormation while it is served.
type request struct {
	*cfn.Event
	h       *Handler
	current physicalID // the request's physical id
	seed    string     // of its tokens
	// replaced is the physical id of the object that a new one replaces. It is zero for
	// a create.
	replaced physicalID
	// pool is the pool that the properties name, and scope its scope if a selector
	// selected it; "" before resolve.
	pool, scope string
}

func (h *Handler) newRequest(e *cfn.Event) *request {
	r := &request{Event: e, h: h, current: parsePhysicalID(e.PhysicalResourceID), seed: digest(e.StackID, e.LogicalResourceID, e.RequestID)}
	switch c := r.current; c.form {
	case formUnfinished:
		r.replaced = parsePhysicalID(c.replaced)
		if e.RequestType == cfn.RequestDelete {
			r.seed, r.pool, r.scope = c.seed, c.pool, c.scope
		}
	case formObject, formPoolCIDR, formAllocation:
		r.replaced = c
	case formNone, formNothing, formForeign:
	}
	return r
}

// token returns the ClientToken of a step of the request. It is the same each time that
// CloudFormation or Lambda sends the request.
//
// A token begins with the mark of the resource and that of the object that a new one
// replaces; see [request.tokenPattern]. It has 64 characters, the most that a ClientToken
// may have.
func (r *request) token(step ...string) *string {
	return aws.String(r.mark() + replacementMark(r.replaced) + digest(append([]string{r.seed}, step...)...)[:64-markLength-replacementMarkLength])
}

const (
	markLength            = 24
	replacementMarkLength = 16
)

// mark returns the mark of the request's resource.
func (r *request) mark() string { return digest(r.StackID, r.LogicalResourceID)[:markLength] }

// replacementMark returns the mark of the object that a new one replaces.
func replacementMark(replaced physicalID) string {
	return digest(replaced.String())[:replacementMarkLength]
}

// tokenPattern returns a filter value that matches the tokens of the requests that made
// something for the request's resource: if replaced is not nil, only those that replaced
// that object, which is zero for creates.
func (r *request) tokenPattern(replaced *physicalID) string {
	if replaced == nil {
		return r.mark() + "*"
	}
	return r.mark() + replacementMark(*replaced) + "*"
}

// unfinished returns the physical id of the request's create if its outcome is unknown.
// The Delete of that id finds the outcome out with the same tokens, in the pool that was
// selected.
func (r *request) unfinished() physicalID {
	return physicalID{form: formUnfinished, seed: r.seed, pool: r.pool, scope: r.scope, replaced: r.replaced.String()}
}

// currentOr returns the request's physical id, and id if the request has none.
func (r *request) currentOr(id physicalID) physicalID {
	if r.current == (physicalID{}) {
		return id
	}
	return r.current
}

// digest returns 64 hexadecimal digits, as long as a ClientToken can be.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write(strconv.AppendQuote(nil, p))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// before returns a context that ends before the invocation does, by a number of
// reserves; see [Options].
func (r *request) before(ctx context.Context, reserves int) (context.Context, context.CancelFunc) {
	return lambdakit.BeforeEnd(ctx, time.Duration(reserves)*r.h.o.Reserve)
}

// call calls an operation that reads, or has a client token, and again while it may
// succeed later.
func call[Out any](ctx context.Context, r *request, operation string, in any) (*Out, error) {
	return change[Out](ctx, r, operation, in, nil)
}

// change is call for an operation that changes something and has no client token. After a
// try whose outcome is unknown, done reads, and reports whether nothing is left to do;
// with an error of done, change does not call again. It returns nil if a try without an
// answer has done it.
func change[Out any](ctx context.Context, r *request, operation string, in any, done func() (bool, error)) (*Out, error) {
	unknown := false
	for n := 1; ; n++ {
		out, err := r.h.caller.Call(ctx, operation, in)
		if err == nil {
			return out.(*Out), nil
		}
		if ctx.Err() != nil {
			return nil, outOfTime(operation, err)
		}
		unknown = unknown || done != nil && temporary(err) && !client.Refused(err)
		last := n == maxTries || !temporary(err)
		if !last && r.h.o.Sleep(ctx, backoff.Delay(n, firstWait, longWait)) != nil {
			return nil, outOfTime(operation, err)
		}
		if unknown {
			is, unread := done()
			switch {
			case is:
				return nil, nil
			case unread != nil && !temporary(err):
				return nil, fmt.Errorf("%s: %w after %w", operation, unread, err)
			}
			last = last || unread != nil
		}
		if last {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
	}
}

var errTime = ipam.Errorf(ipam.CodeUnavailable, "The work could not be done in the time that the function has. The work that was begun is undone or will be. Try the stack operation again.")

// outOfTime returns errTime with the API's last message, if there is one.
func outOfTime(operation string, err error) error {
	public := errTime
	if said, ok := errors.AsType[*ipam.Error](err); ok {
		public = ipam.Errorf(errTime.Code, "%s %s", errTime.Message, said.Message)
	}
	return fmt.Errorf("%w (%s: %w)", public, operation, err)
}

// temporary reports whether a call with this error may succeed later. A code that is not
// in ipam's table, as API Gateway's own, may be temporary. A call of unknown outcome may
// succeed the second time; see [change].
func temporary(err error) bool {
	if err == nil {
		return false
	}
	code := ipam.CodeOf(err)
	_, known := ipam.Codes[code]
	return !known || code.Temporary() || code == ipam.CodeOutcomeUnknown
}

// maybeDone reports whether a call with this error may have succeeded nevertheless, in
// this try or an earlier one.
func maybeDone(err error) bool {
	return temporary(err) || ipam.CodeOf(err) == ipam.CodeIdempotentParameterMismatch
}

// notFound reports whether the error says that the object does not exist.
func notFound(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	return ok && e.NotFound()
}
