package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// listRequest has the members that every request for a list has.
type listRequest struct {
	operation  string
	in         any // the operation's input
	maxResults *int32
	nextToken  *string
	filters    []types.Filter
}

// newPage reads the page of a request. size is the number of outputs of a page if the
// request has no MaxResults.
func newPage(ctx context.Context, q listRequest, size int) (listing.Page, error) {
	return listing.NewPage(digest(q.operation, registry.CallerFrom(ctx).Account, q.in)[:32], q.maxResults, q.nextToken, size)
}

// answer returns the page of a request: the outputs that the filters admit, and the
// token of the next page. It refuses, in this order, a token of another request,
// invalid filters, and all that objects refuses: the position of the token, and the
// parameters of the operation.
func answer[T, Out any](ctx context.Context, q listRequest, filters listing.Filters[Out], show func(*T) Out, objects func(listing.Page) (listing.List[T], error)) ([]Out, *string, error) {
	p, err := newPage(ctx, q, listing.MaxOutputs)
	if err != nil {
		return nil, nil, err
	}
	match, err := filters.Match(q.filters)
	if err != nil {
		return nil, nil, err
	}
	all, err := objects(p)
	if err != nil {
		return nil, nil, err
	}
	return listing.Collect(ctx, p, all, show, match)
}
