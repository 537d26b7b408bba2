// Command customresource is the Lambda function behind the custom resources of
// CloudFormation: Custom::Ipam, Custom::IpamScope, Custom::IpamPool,
// Custom::IpamPoolCidr and Custom::IpamAllocation. Their properties, attributes
// and update behaviour are those of AWS::EC2::IPAM, IPAMScope, IPAMPool,
// IPAMPoolCidr and IPAMAllocation (CloudFormation Template Reference).
//
// In the owner account it works on the table. As a forwarder, with EnvEndpoint
// set, it calls the API there with its own role: that is how a stack of a member
// account or of another Region, whose service token must be its own, has
// resources.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

const (
	// nothing is the physical id of a create that failed and left nothing
	// behind. It is no object's, so its Delete does nothing.
	nothing = "nothing-was-made"
	// unfinished, and the seed of the request's tokens behind it, is that of a
	// create of which it could not be found out what it made. Its Delete finds
	// that out by the same tokens, and in the pool that was selected.
	unfinished = "unfinished:"
)

// A call that may succeed later is made again, at most so often, after waits
// that double.
const (
	tries     = 6
	firstWait = 200 * time.Millisecond
)

// Options are the handler's dependencies besides its caller. The zero value is
// complete.
type Options struct {
	Logger *slog.Logger                                     // slog.Default() if nil
	Now    func() time.Time                                 // time.Now if nil
	Sleep  func(ctx context.Context, d time.Duration) error // sleeps, or returns the context's error, if nil
	Client *http.Client                                     // sends the answers; http.DefaultClient if nil
	// Reserve is kept of the invocation's time once to undo what was begun, and
	// once to answer; 10 s if 0.
	Reserve time.Duration
}

// Handler serves requests of CloudFormation. It is safe for concurrent use.
type Handler struct {
	caller Caller
	o      Options
}

// New returns a handler that works through the caller.
func New(caller Caller, o Options) *Handler {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Reserve == 0 {
		o.Reserve = 10 * time.Second
	}
	return &Handler{caller, o}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// resource is a type of custom resource. Its methods return the physical id
// that the stack has to know, with an error too, and what Fn::GetAtt shows.
type resource interface {
	create(context.Context, *request) (id string, attributes map[string]any, err error)
	update(context.Context, *request) (id string, attributes map[string]any, err error)
	delete(context.Context, *request) error
}

// resources are the types, by name.
var resources = map[string]resource{
	"Custom::Ipam":           ipamKind,
	"Custom::IpamScope":      scopeKind,
	"Custom::IpamPool":       poolKind,
	"Custom::IpamPoolCidr":   poolCIDRKind,
	"Custom::IpamAllocation": allocationKind,
}

// Handle serves one request, answers CloudFormation, and logs one record. Its
// error means that the answer could not be sent: Lambda then invokes it again,
// with the same request, which has the same outcome.
func (h *Handler) Handle(ctx context.Context, e cfn.Event) error {
	start := h.o.Now()
	answer := cfn.NewResponse(&e)
	var err error
	answer.PhysicalResourceID, answer.Data, err = h.serve(ctx, &e)
	answer.Status = cfn.StatusSuccess
	if err != nil {
		answer.Status, answer.Data, answer.Reason = cfn.StatusFailed, nil, ipam.Public(err).Error()
	}
	unsent := h.send(ctx, e.ResponseURL, answer)
	h.log(ctx, &e, answer.PhysicalResourceID, err, unsent, start)
	return unsent
}

func (h *Handler) serve(ctx context.Context, e *cfn.Event) (id string, attributes map[string]any, err error) {
	r := h.newRequest(e)
	defer func() {
		if p := recover(); p != nil {
			id, attributes, err = r.standing(r.unfinished()), nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	kind, ok := resources[e.ResourceType]
	if e.RequestType == cfn.RequestDelete {
		if ok {
			err = kind.delete(ctx, r)
		}
		return e.PhysicalResourceID, nil, err
	}
	if !ok {
		return r.standing(nothing), nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "%s is no type of custom resource that this function has. Use one of: %s.",
			schema.Excerpt(e.ResourceType), strings.Join(slices.Sorted(maps.Keys(resources)), ", "))
	}
	switch e.RequestType {
	case cfn.RequestCreate:
		return kind.create(ctx, r)
	case cfn.RequestUpdate:
		return kind.update(ctx, r)
	}
	return r.standing(nothing), nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "%s is no type of request. There are Create, Update and Delete.", schema.Excerpt(string(e.RequestType)))
}

func (h *Handler) log(ctx context.Context, e *cfn.Event, id string, err, unsent error, start time.Time) {
	end := h.o.Now()
	operation := telemetry.Unknown
	if _, ok := resources[e.ResourceType]; ok && (e.RequestType == cfn.RequestCreate || e.RequestType == cfn.RequestUpdate || e.RequestType == cfn.RequestDelete) {
		operation = string(e.RequestType) + " " + e.ResourceType
	}
	attributes := append(telemetry.Work(end, operation, telemetry.OutcomeOf(ipam.CodeOf(err)), end.Sub(start)),
		slog.Float64("duration_ms", telemetry.Milliseconds(end.Sub(start))),
		slog.String("code", string(ipam.CodeOf(err))),
		slog.String("stack_id", schema.Excerpt(e.StackID)),
		slog.String("logical_id", schema.Excerpt(e.LogicalResourceID)),
		slog.String("physical_id", schema.Excerpt(id)),
		slog.String("cloudformation_request_id", schema.Excerpt(e.RequestID)),
	)
	level := slog.LevelInfo
	if err != nil {
		attributes = append(attributes, slog.String("error", err.Error()))
		if maybeDone(err) {
			level = slog.LevelError
		}
	}
	if unsent != nil {
		level = slog.LevelError
		attributes = append(attributes, slog.String("unsent", unsent.Error()))
	}
	h.o.Logger.LogAttrs(ctx, level, "custom resource", attributes...)
}

// request is a request of CloudFormation on its way.
type request struct {
	*cfn.Event
	h        *Handler
	seed     string // of its tokens
	selected string // by a selector: the pool and its scope, with a | between; "" if nothing is yet
}

func (h *Handler) newRequest(e *cfn.Event) *request {
	r := &request{Event: e, h: h, seed: digest(e.StackID, e.LogicalResourceID, e.RequestID)}
	if made, ok := strings.CutPrefix(e.PhysicalResourceID, unfinished); ok && e.RequestType == cfn.RequestDelete {
		r.seed, r.selected, _ = strings.Cut(made, "|")
	}
	return r
}

// token returns the ClientToken of a step of the request, the same whenever the
// request comes: CloudFormation and Lambda may send it more than once.
func (r *request) token(step ...string) *string {
	t := digest(append([]string{r.seed}, step...)...)
	return &t
}

func (r *request) unfinished() string {
	if r.selected == "" {
		return unfinished + r.seed
	}
	return unfinished + r.seed + "|" + r.selected
}

// standing returns the physical id that the stack has by now, or the other one
// if it has none.
func (r *request) standing(id string) string {
	if r.PhysicalResourceID != "" {
		return r.PhysicalResourceID
	}
	return id
}

// digest returns 64 hexadecimal digits, as long as a ClientToken can be.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write(strconv.AppendQuote(nil, p))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// before returns a context that ends so many reserves before the invocation
// does.
func (r *request) before(ctx context.Context, reserves int) (context.Context, context.CancelFunc) {
	return lambdakit.BeforeEnd(ctx, time.Duration(reserves)*r.h.o.Reserve)
}

// call carries out an operation, again and again while it may succeed later.
// Creating operations so need a token.
func call[Out any](ctx context.Context, r *request, operation string, in any) (*Out, error) {
	wait := firstWait
	for n := 1; ; n++ {
		out, err := r.h.caller.Call(ctx, operation, in)
		if err == nil {
			return out.(*Out), nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, outOfTime(operation, err)
		case n == tries || !transient(err):
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		if r.h.o.Sleep(ctx, wait/2+rand.N(wait/2)) != nil {
			return nil, outOfTime(operation, err)
		}
		wait *= 2
	}
}

var errTime = ipam.Errorf(ipam.CodeUnavailable, "The work could not be done in the time that the function has. What was begun is undone or will be. Try the stack operation again.")

// outOfTime returns errTime, with what the API said last, if it said anything.
func outOfTime(operation string, err error) error {
	public := errTime
	if said, ok := errors.AsType[*ipam.Error](err); ok {
		public = ipam.Errorf(errTime.Code, "%s %s", errTime.Message, said.Message)
	}
	return fmt.Errorf("%w (%s: %w)", public, operation, err)
}

// transient reports whether a call with this error may succeed later.
func transient(err error) bool {
	if err == nil {
		return false
	}
	code, known := ipam.Codes[ipam.CodeOf(err)]
	return !known || code.Label == "internal" || code.Label == "throttle" || code.Label == "conflict"
}

// maybeDone reports whether a call with this error may have been carried out
// nevertheless, by this try or an earlier one.
func maybeDone(err error) bool {
	return transient(err) || ipam.CodeOf(err) == ipam.CodeIdempotentParameterMismatch
}

// gone reports whether the error says that the object does not exist.
func gone(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	return ok && (strings.HasSuffix(string(e.Code), ".NotFound") || strings.HasPrefix(e.Message, ipam.NoAllocation))
}
