// Command allocation is the Lambda function for callers that do not use the EC2 API:
// an event on the bus asks for a CIDR, and a workflow or a program invokes an
// operation. It is deployed twice, once for each door, because the two doors learn the
// caller's identity from different sources:
//
//   - events: a rule on the bus invokes the function with "CIDR Requested" events. The
//     caller is the account in the envelope, which EventBridge writes. One event
//     answers each request: "CIDR Allocated" or "CIDR Request Failed". The history
//     function publishes it, as all others, from the table's stream.
//   - direct: {"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": …}} is
//     answered with the operation's output, or with a function error whose type is the
//     EC2 error code. Step Functions calls it so. A principal that may invoke this
//     function administers the deployment as the owner account. IAM decides that, on
//     lambda:InvokeFunction; nothing in the payload changes it.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
)

// The doors. lambdakit.EnvDoor names one of them.
const (
	DoorEvents = "events"
	DoorDirect = "direct"
)

const allocate = "AllocateIpamPoolCidr"

// margin is how long before the end of the invocation work stops, so that the function
// can still answer and log.
const margin = time.Second

// Registry runs operations for the context's caller.
type Registry interface {
	Lookup(name string) (*registry.Operation, bool)
	Authorize(ctx context.Context, name string) error
	Call(ctx context.Context, name string, in any) (out any, err error)
}

// Refuser records once that a request was refused, unless the request succeeded before.
type Refuser interface {
	Refuse(ctx context.Context, t store.Token, r items.Refusal) error
}

// Handler answers at one door. It is safe for concurrent use.
type Handler struct {
	registry Registry
	refuser  Refuser         // of the door events; nil at the door direct
	caller   registry.Caller // of the door direct
	home     string          // the home Region
	o        Options
	budgets  budgets // of the accounts at the door events
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	telemetry.Options
	Retry func(context.Context, []lambdaevents.SQSMessage) // makes failed messages come again soon; may be nil
}

// NewEvents returns the handler of the door events.
func NewEvents(r Registry, refuser Refuser, home string, o Options) *Handler {
	return &Handler{registry: r, refuser: refuser, home: home, o: o}
}

// NewDirect returns the handler of the door direct. open makes its registry for the
// only caller there, the owner account.
func NewDirect(open func(registry.Authorizer) Registry, owner, home string, o Options) *Handler {
	c := registry.Root(owner, home)
	return &Handler{registry: open(registry.OnlyTo(c)), caller: c, home: home, o: o}
}

// Handle answers one invocation. At the door events the invocation is a batch of the
// queue of requests, or one event. Handle logs a record of each request or operation.
func (h *Handler) Handle(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	var batch lambdaevents.SQSEvent
	if h.refuser == nil || json.Unmarshal(payload, &batch) != nil || len(batch.Records) == 0 {
		return h.one(ctx, payload)
	}
	return json.Marshal(lambdakit.Messages(ctx, batch, h.o.Retry, func(ctx context.Context, m lambdaevents.SQSMessage) error {
		_, err := h.one(ctx, json.RawMessage(m.Body))
		return err
	}))
}

// one answers one request or operation, and logs one record of it.
func (h *Handler) one(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	door, name := h.request, string(events.CIDRRequested)
	if h.refuser == nil {
		door, name = h.invoke, telemetry.Unknown
	}
	var answer json.RawMessage
	err := h.o.Unit(ctx, name, func(ctx context.Context, r *telemetry.Record) (err error) {
		ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
		defer cancel()
		answer, err = door(ctx, payload, r)
		if err != nil && ipam.CodeOf(err) != ipam.CodeInternalError {
			r.SetLevel(slog.LevelWarn)
		}
		return err
	})
	if err != nil {
		// The log alone gets the text of an error that is not the API's.
		public := ipam.Public(err)
		return nil, messages.InvokeResponse_Error{Type: string(public.Code), Message: public.Message}
	}
	return answer, nil
}

// invoke runs the operation that a payload of the door direct names.
func (h *Handler) invoke(ctx context.Context, payload json.RawMessage, record *telemetry.Record) (json.RawMessage, error) {
	var p struct {
		Operation string          `json:"operation"`
		Input     json.RawMessage `json:"input"`
		Region    string          `json:"region"` // of the caller, for checks of locales; the home Region if absent
	}
	if _, err := awsjson.Members(payload); ipam.CodeOf(err) == ipam.CodeInvalidParameterValue {
		return nil, err // a member that the payload has twice
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, `The payload cannot be read: %s. Invoke with {"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": …, "NetmaskLength": …}}, and, if it matters, the caller's "region".`, err)
	}
	if p.Region != "" && !ipam.IsRegion(p.Region) {
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%q) for region is invalid. Use the name of a Region such as ap-northeast-1, or leave it out for %s.", p.Region, h.home)
	}
	operation, ok := h.registry.Lookup(p.Operation)
	if !ok {
		return nil, registry.Unknown(p.Operation)
	}
	record.Operation = operation.Name
	in := operation.New()
	if err := awsjson.Decode(p.Input, p.Operation, in); err != nil {
		return nil, err
	}
	caller := h.caller
	caller.Region = p.Region
	out, err := h.registry.Call(registry.WithCaller(ctx, caller), p.Operation, in)
	if err != nil {
		return nil, err
	}
	return awsjson.Encode(p.Operation, out)
}

// requestID is the form of a requestId.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,64}$`)

// request serves a "CIDR Requested" event. A final refusal is recorded, which answers
// the request, and is no error. Any error makes Lambda invoke the function again.
func (h *Handler) request(ctx context.Context, payload json.RawMessage, _ *telemetry.Record) (json.RawMessage, error) {
	var e lambdaevents.CloudWatchEvent
	if err := json.Unmarshal(payload, &e); err != nil || e.DetailType == "" {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The payload is not an event of the bus.")
	}
	if e.DetailType != string(events.CIDRRequested) {
		h.o.Log().WarnContext(ctx, "unexpected event", "detail_type", e.DetailType, "id", e.ID)
		return nil, nil
	}
	if e.ID == "" || e.AccountID == "" {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The event has no id or no account.")
	}
	r := read(e)
	caller := registry.Root(e.AccountID, h.home)
	caller.Region, caller.Request = r.region, r.id
	ctx = registry.WithCaller(ctx, caller)
	if err := h.registry.Authorize(ctx, allocate); err != nil {
		return nil, h.refuseAccount(ctx, e.AccountID, r, err)
	}
	if !h.budgets.take(e.AccountID, h.o.Time()) {
		return nil, ipam.Errorf(ipam.CodeRequestLimitExceeded, "The account %s sends more than %d requests a second, and %d at once. The request waits.", e.AccountID, budgetRate, budgetBurst)
	}
	err := r.err
	if err == nil {
		_, err = h.registry.Call(ctx, allocate, r.in)
	}
	if err == nil || temporary(err) {
		return nil, err
	}
	public := ipam.Public(err)
	h.o.Log().InfoContext(ctx, "request refused", "request", r.id, "account", e.AccountID, "code", string(public.Code), "error", public.Message)
	return nil, h.refuser.Refuse(ctx, store.Token{Account: e.AccountID, Operation: allocate, Value: token(r.id)}, items.Refusal{
		Request: r.id, Account: e.AccountID, Region: r.region, Code: string(public.Code), Message: public.Message, Detail: string(e.Detail),
	})
}

// refuseAccount refuses a request of an account without the class to allocate. Any
// account can send requests if it may put events on the bus. So a refusal is recorded
// without the request's detail, once a minute for each account in each instance of the
// function, and the other requests of that minute have no answer.
func (h *Handler) refuseAccount(ctx context.Context, account string, r cidrRequest, err error) error {
	if temporary(err) {
		return err
	}
	public := ipam.Public(err)
	recorded := h.budgets.mayRecord(account, h.o.Time())
	h.o.Log().InfoContext(ctx, "account refused", "account", account, "code", string(public.Code), "recorded", recorded)
	if !recorded {
		return nil
	}
	return h.refuser.Refuse(ctx, store.Token{Account: account, Operation: allocate, Value: token(r.id)}, items.Refusal{
		Request: r.id, Account: account, Region: r.region, Code: string(public.Code), Message: public.Message,
	})
}

// cidrRequest is the request of an event.
type cidrRequest struct {
	id     string
	region string // the Region that it claims to come from, for checks of locales
	in     *ec2.AllocateIpamPoolCidrInput
	err    error // why the request is invalid; the id is valid all the same
}

// read returns an event's request.
func read(e lambdaevents.CloudWatchEvent) cidrRequest {
	r := cidrRequest{id: e.ID, region: e.Region}
	members, err := awsjson.Members(e.Detail)
	if ipam.CodeOf(err) == ipam.CodeMalformedRequest {
		err = ipam.Errorf(ipam.CodeMalformedRequest, "The detail of the event is not an object.")
	}
	if r.err = err; err != nil {
		return r
	}
	if id, given, ok := text(members, "requestId"); given {
		if !ok || !requestID.MatchString(id) {
			r.err = ipam.Errorf(ipam.CodeInvalidParameterValue, "The requestId is invalid. Use 1 to 64 letters, digits and any of . _ : / -, or leave it out for the event's own id.")
			return r
		}
		r.id = id
	}
	if region, given, ok := text(members, "region"); given {
		if !ok || !ipam.IsRegion(region) {
			r.err = ipam.Errorf(ipam.CodeInvalidParameterValue, "The region is invalid. Use the name of a Region such as ap-northeast-1, or leave it out for the event's own.")
			return r
		}
		r.region = region
	}
	input, err := json.Marshal(members)
	if err != nil {
		r.err = err
		return r
	}
	in := new(ec2.AllocateIpamPoolCidrInput)
	if r.err = awsjson.Decode(input, allocate, in); r.err != nil {
		return r
	}
	if in.ClientToken != nil || aws.ToBool(in.PreviewNextCidr) || aws.ToBool(in.DryRun) {
		r.err = ipam.Errorf(ipam.CodeInvalidParameterCombination, "The members ClientToken, PreviewNextCidr and DryRun may not be used in an event. The requestId takes the place of the client token; for a preview, call the API.")
		return r
	}
	in.ClientToken = aws.String(token(r.id))
	r.in = in
	return r
}

// text removes a member from those of a detail. It returns the member's value, whether
// the member was given, and whether it is a string.
func text(members map[string]json.RawMessage, name string) (value string, given, ok bool) {
	raw, given := members[name]
	delete(members, name)
	ok = json.Unmarshal(raw, &value) == nil
	return value, given, ok
}

// token returns the client token of a request. It is no plain id: a call of the API with
// that id as its token is another request.
func token(id string) string {
	sum := sha256.Sum256([]byte(string(events.CIDRRequested) + "\n" + id))
	return hex.EncodeToString(sum[:])
}

// temporary reports whether a request may succeed later: the load was too high, other
// writers were in the way, or Cadastre failed. A request that may have been carried out
// is not refused: the next try finds the outcome by the request's id.
func temporary(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	return !ok || e.Code.Temporary() || e.Code == ipam.CodeOutcomeUnknown
}
