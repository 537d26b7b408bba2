// Package client lets the AWS SDK's own EC2 client call a Cadastre API, with the same
// operations and types.
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	…
//	c := ec2.NewFromConfig(cfg, client.Options(endpoint, ""))
//	out, err := c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
package client

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
)

// Options returns an option with which an EC2 client calls the API at endpoint, its
// URL with the stage, with or without a slash at the end. The client signs requests
// for execute-api in apiRegion, the API's Region. Requests act for the client's own
// Region, which [wire.RegionHeader] carries; pools with a locale check it. If
// apiRegion is empty, it is the Region in the endpoint's host name ([APIRegion]), or
// the client's own if the host name has none, as for a custom domain.
//
// The client repeats a call whose outcome is unknown only if [MayRepeat] allows it,
// and then with the same client token.
//
// The client calls nothing but Cadastre: other actions of EC2 answer InvalidAction.
func Options(endpoint, apiRegion string) func(*ec2.Options) {
	if apiRegion == "" {
		apiRegion = APIRegion(endpoint)
	}
	return func(o *ec2.Options) {
		o.BaseEndpoint = &endpoint
		// These select another host name of EC2's. EC2's rules refuse them together
		// with an endpoint, and AWS_USE_FIPS_ENDPOINT sets them for all services.
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		ec2.WithSigV4SigningName(wire.SigningName)(o)
		if apiRegion != "" {
			ec2.WithSigV4SigningRegion(apiRegion)(o)
		}
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return s.Build.Add(middleware.BuildMiddlewareFunc("CadastreRegion", setRegion), middleware.After)
		}, addRepeat)
	}
}

// setRegion sets [wire.RegionHeader]. It runs for each call, since an option of the
// call may change the Region, and before the signature, which covers the header.
func setRegion(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
	r, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("set %s: the request is a %T", wire.RegionHeader, in.Request)
	}
	r.Header.Set(wire.RegionHeader, awsmiddleware.GetRegion(ctx))
	return next.HandleBuild(ctx, in)
}

// APIRegion returns the Region in an API's default address,
// https://ID.execute-api.REGION.amazonaws.com/STAGE, and "" for an endpoint of another
// form.
func APIRegion(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	if labels := strings.Split(u.Hostname(), "."); len(labels) >= 4 && labels[1] == wire.SigningName && ipam.IsRegion(labels[2]) {
		return labels[2]
	}
	return ""
}
