package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// The environment of a forwarder.
const (
	EnvEndpoint  = "CADASTRE_ENDPOINT"   // the API's address, with the stage; makes the function a forwarder
	EnvAPIRegion = "CADASTRE_API_REGION" // the API's Region; may be empty if the address contains it, as a custom domain's does not
)

// Caller calls operations of the API as one principal. in points to the operation's
// input and out to its output. The outcome is unknown after an error without an
// *ipam.Error, and after a temporary one for which [client.Refused] is false.
type Caller interface {
	Account() string // the principal's account, 12 digits
	Call(ctx context.Context, operation string, in any) (out any, err error)
}

// NewCaller returns the caller that the environment asks for. With EnvEndpoint it calls
// the API at that endpoint with the function's own role; otherwise it calls the registry
// on the table as the owner account. NewCaller makes no call.
func NewCaller(ctx context.Context) (Caller, error) {
	account := os.Getenv(lambdakit.EnvAccount)
	if account == "" {
		return nil, fmt.Errorf("%s is not set", lambdakit.EnvAccount)
	}
	if endpoint := os.Getenv(EnvEndpoint); endpoint != "" {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("configure the client of %s: %w", endpoint, err)
		}
		return remote{ec2.NewFromConfig(cfg, client.Options(endpoint, os.Getenv(EnvAPIRegion))), endpoint, account}, nil
	}
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	organization, err := lambdakit.OpenOrganization(ctx)
	if err != nil {
		return nil, err
	}
	caller := registry.Root(account, store.Region())
	caller.Stacks = true
	return owner{ops.New(store, registry.OnlyTo(caller), ops.WithOrganization(organization)), caller}, nil
}

// owner calls the registry as the owner account, not as one that an event names: any principal
// that may invoke the function can write the event. IAM's permission
// lambda:InvokeFunction decides; the deployer's grants are for the API only.
type owner struct {
	registry *registry.Registry
	caller   registry.Caller
}

func (o owner) Account() string { return o.caller.Account }

func (o owner) Call(ctx context.Context, operation string, in any) (any, error) {
	return o.registry.Call(registry.WithCaller(ctx, o.caller), operation, in)
}

// notEC2 is the code that the SDK gives to an answer that is no error of EC2, such as
// API Gateway's own.
const notEC2 = "UnknownError"

// remote calls the API at an endpoint.
type remote struct {
	client   *ec2.Client
	endpoint string
	account  string // the function's own, whose role it calls with
}

func (r remote) Account() string { return r.account }

func (r remote) Call(ctx context.Context, operation string, in any) (any, error) {
	out, err := client.Call(ctx, r.client, operation, in)
	if err == nil {
		return out, nil
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() != notEC2 && ipam.Code(e.ErrorCode()) != ipam.CodeOutcomeUnknown {
		return nil, &ipam.Error{Code: ipam.Code(e.ErrorCode()), Message: e.ErrorMessage()}
	}
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok && e.HTTPStatusCode() == http.StatusForbidden {
		return nil, ipam.Errorf(ipam.CodeUnauthorizedOperation,
			"The API at %s does not let this function call it. The function's role must be allowed execute-api:Invoke on it, and the API's resource policy must admit the account or its organization.", r.endpoint)
	}
	code := ipam.CodeOutcomeUnknown
	if client.Refused(err) {
		code = ipam.CodeUnavailable
	}
	return nil, fmt.Errorf("%w: %w", ipam.Errorf(code,
		"The API at %s gave no answer to %s. The forwarder's log says why. See that the forwarder's parameter ApiEndpoint is the API's address, and that the function reaches it.", r.endpoint, operation), err)
}
