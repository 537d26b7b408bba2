// Command allocation is the Lambda function for those who do not speak the EC2
// API: an event on the bus asks for a CIDR, and a workflow or a program invokes
// an operation. It is deployed twice, once for each door, as a door's word on
// who calls is only as good as the door:
//
//   - events: the rule on the bus invokes it with "CIDR Requested" events. The
//     caller is the envelope's account, which EventBridge writes. Each request
//     is answered by one event, "CIDR Allocated" or "CIDR Request Failed", which
//     the table's stream gives rise to, as it does for every other;
//   - direct: {"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": …}}
//     is answered with the operation's output, or with a function error whose
//     type is the EC2 error code. Step Functions calls it so. Whoever may invoke
//     it administers the deployment as its owner account: that is for IAM to
//     decide, on lambda:InvokeFunction, and nothing in the payload changes it.
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

// The doors that lambdakit.EnvDoor names.
const (
	DoorEvents = "events"
	DoorDirect = "direct"
)

const allocate = "AllocateIpamPoolCidr"

// margin is how long before the end of the invocation work stops, to answer and
// to leave a record.
const margin = time.Second

// Registry carries out operations for the context's caller.
type Registry interface {
	Lookup(name string) (*registry.Operation, bool)
	Call(ctx context.Context, name string, in any) (out any, err error)
}

// Refuser records that a request was refused, once, unless it was carried out.
type Refuser interface {
	Refuse(ctx context.Context, t store.Token, r items.Refusal) error
}

// Handler answers at one door. It is safe for concurrent use.
type Handler struct {
	registry Registry
	refuser  Refuser         // of the door events
	caller   registry.Caller // of the door direct
	home     string
}

// NewEvents returns the handler of the door events.
func NewEvents(r Registry, refuser Refuser, home string) *Handler {
	return &Handler{registry: r, refuser: refuser, home: home}
}

// NewDirect returns the handler of the door direct, on the registry that open
// makes for the only one who calls there: the owner account.
func NewDirect(open func(registry.Authorizer) Registry, owner, home string) *Handler {
	c := registry.Root(owner, home)
	return &Handler{registry: open(registry.OnlyTo(c)), caller: c, home: home}
}

// Handle answers one invocation and logs one record of it.
func (h *Handler) Handle(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	start := time.Now()
	door, name := h.request, string(events.CIDRRequested)
	if h.refuser == nil {
		door, name = h.invoke, telemetry.Unknown
	}
	work, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	answer, operation, err := door(work, payload)
	if operation != "" {
		name = operation
	}
	end := time.Now()
	level, code := slog.LevelInfo, ipam.CodeOf(err)
	attributes := append(telemetry.Work(end, name, telemetry.OutcomeOf(code), end.Sub(start)), slog.String("code", string(code)))
	if err != nil {
		level = slog.LevelWarn
		if ipam.Public(err).Code == ipam.CodeInternalError {
			level = slog.LevelError
		}
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	slog.LogAttrs(ctx, level, "invocation", attributes...)
	if err != nil {
		// The text of any other error than the API's is for the log alone.
		public := ipam.Public(err)
		return nil, messages.InvokeResponse_Error{Type: string(public.Code), Message: public.Message}
	}
	return answer, nil
}

// invoke carries out the operation that a payload of the door direct names.
func (h *Handler) invoke(ctx context.Context, payload json.RawMessage) (json.RawMessage, string, error) {
	var p struct {
		Operation string          `json:"operation"`
		Input     json.RawMessage `json:"input"`
		Region    string          `json:"region"` // of the caller, for checks of locales; the home Region if absent
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, "", ipam.Errorf(ipam.CodeMalformedRequest, `The payload cannot be read: %s. Invoke with {"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": …, "NetmaskLength": …}}, and, if it matters, the caller's "region".`, err)
	}
	if p.Region != "" && !ipam.IsRegion(p.Region) {
		return nil, "", ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%q) for region is invalid. Use the name of a Region such as ap-northeast-1, or leave it out for %s.", p.Region, h.home)
	}
	operation, ok := h.registry.Lookup(p.Operation)
	if !ok {
		return nil, "", registry.Unknown(p.Operation)
	}
	in := operation.New()
	if err := awsjson.Decode(p.Input, p.Operation, in); err != nil {
		return nil, p.Operation, err
	}
	caller := h.caller
	caller.Region = p.Region
	out, err := h.registry.Call(registry.WithCaller(ctx, caller), p.Operation, in)
	if err != nil {
		return nil, p.Operation, err
	}
	answer, err := awsjson.Encode(p.Operation, out)
	return answer, p.Operation, err
}

// requestID is the form of the ids that requesters may give their requests.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,64}$`)

// request carries out what a "CIDR Requested" event asks for. Its error is for
// EventBridge, which comes again: what is refused for good was recorded, and
// answered with that, and is no error.
func (h *Handler) request(ctx context.Context, payload json.RawMessage) (json.RawMessage, string, error) {
	var e lambdaevents.CloudWatchEvent
	if err := json.Unmarshal(payload, &e); err != nil || e.DetailType == "" {
		return nil, "", ipam.Errorf(ipam.CodeMalformedRequest, "The payload is not an event of the bus.")
	}
	if e.DetailType != string(events.CIDRRequested) {
		slog.WarnContext(ctx, "an event that is not asked for", "detail-type", e.DetailType, "id", e.ID)
		return nil, "", nil
	}
	if e.ID == "" || e.AccountID == "" {
		return nil, "", ipam.Errorf(ipam.CodeMalformedRequest, "The event has no id or no account.")
	}
	r := read(e)
	err := r.err
	if err == nil {
		caller := registry.Root(e.AccountID, h.home)
		caller.Region, caller.Request = r.region, r.id
		_, err = h.registry.Call(registry.WithCaller(ctx, caller), allocate, r.in)
	}
	if err == nil || !final(err) {
		return nil, "", err
	}
	public := ipam.Public(err)
	slog.InfoContext(ctx, "a request is refused", "request", r.id, "account", e.AccountID, "code", string(public.Code), "error", public.Message)
	return nil, "", h.refuser.Refuse(ctx, store.Token{Account: e.AccountID, Operation: allocate, Value: token(r.id)}, items.Refusal{
		Request: r.id, Account: e.AccountID, Region: r.region, Code: string(public.Code), Message: public.Message, Detail: string(e.Detail),
	})
}

// request is what an event asks for.
type request struct {
	id     string
	region string // that it is asked from: a claim, for checks of locales
	in     *ec2.AllocateIpamPoolCidrInput
	err    error // why it is none; the id is right all the same
}

// read returns an event's request.
func read(e lambdaevents.CloudWatchEvent) request {
	r := request{id: e.ID, region: e.Region}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(e.Detail, &members); err != nil {
		r.err = ipam.Errorf(ipam.CodeMalformedRequest, "The detail of the event is not an object.")
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

// text takes a member out of those of a detail: its value, whether it was there,
// and whether it is a string.
func text(members map[string]json.RawMessage, name string) (value string, given, ok bool) {
	raw, given := members[name]
	delete(members, name)
	ok = json.Unmarshal(raw, &value) == nil
	return value, given, ok
}

// token returns the client token of a request. What the account has allocated by
// the API with the id as its token is another request, and no event's answer.
func token(id string) string {
	sum := sha256.Sum256([]byte(string(events.CIDRRequested) + "\n" + id))
	return hex.EncodeToString(sum[:])
}

// final reports whether a refusal stands: it is neither for load, nor for
// others who were in the way, nor a failure of our own.
func final(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	if !ok {
		return false
	}
	switch ipam.InfoOf(e.Code).Label {
	case "conflict", "throttle", "internal":
		return false
	}
	return true
}
