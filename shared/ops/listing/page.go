// Package listing makes pages of lists. A [List] yields objects in order, each with
// its position. [Collect] fills a page with the objects that the filters of a
// request admit, and returns the token of the next page. The package knows no
// operation.
package listing

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

const (
	// MaxOutputs is the number of outputs of a page if the request gives no
	// MaxResults. It is also the greatest MaxResults.
	MaxOutputs = 1000
	// MaxCost is the cost of a page, in objects that it looks at. A list of many
	// objects whose filters admit few therefore has short pages, or empty ones, and
	// not a request that takes minutes.
	MaxCost = 100_000
	// stepsPerObject is the work of filters that costs as much as an object, in
	// comparisons of characters. MaxCost of it takes about a second on one core.
	stepsPerObject = 1000
	// maxBytes is the size of a page, in bytes as encodedSize counts them. A
	// buffered answer of Lambda has at most 6 MB.
	maxBytes = 5 << 20
)

// Page is a request for a page of a list.
type Page struct {
	// After is the position that the page begins behind. It is empty on the first
	// page.
	After []string

	size    int    // at most so many outputs
	limited bool   // the request has MaxResults
	bound   string // the digest of the request that the token belongs to
}

// NewPage reads MaxResults and NextToken. bound is a digest of the request without
// these two: a token is valid for that request only. size is the number of outputs
// of a page if the request has no MaxResults.
//
// A token needs no secret. It names objects of the caller only, and the operation
// checks its position as it checks any other input.
func NewPage(bound string, maxResults *int32, nextToken *string, size int) (Page, error) {
	p := Page{size: size, bound: bound}
	if maxResults != nil {
		p.size, p.limited = int(*maxResults), true
	}
	if nextToken == nil {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*nextToken)
	if err != nil || len(b) < len(p.bound) || string(b[:len(p.bound)]) != p.bound {
		return Page{}, p.InvalidToken()
	}
	if json.Unmarshal(b[len(p.bound):], &p.After) != nil || len(p.After) == 0 {
		return Page{}, p.InvalidToken()
	}
	return p, nil
}

// Limited reports whether the request has MaxResults.
func (p Page) Limited() bool { return p.limited }

// InvalidToken returns the error of a NextToken that is not one of this request.
func (Page) InvalidToken() error {
	return ipam.Errorf(ipam.CodeInvalidNextToken, "The NextToken is not one of this request. Use the token of the page before with the same parameters, or begin again without NextToken.")
}

// Token returns the NextToken of the page that begins behind a position.
func (p Page) Token(position []string) *string {
	b, err := json.Marshal(position)
	if err != nil {
		panic("listing: a list of strings does not marshal: " + err.Error())
	}
	return aws.String(base64.RawURLEncoding.EncodeToString(append([]byte(p.bound), b...)))
}

// AfterID returns the position of p as an id of the kind, "" on the first page.
func (p Page) AfterID(kind ipam.IDKind) (string, error) {
	switch {
	case len(p.After) == 0:
		return "", nil
	case len(p.After) != 1 || ipam.IDKindOf(p.After[0]) != kind:
		return "", p.InvalidToken()
	}
	return p.After[0], nil
}

// ReadAhead returns the number of objects to read at once: the outputs of the page
// and one more. With filters, which leave objects out, it returns 0, for as many as
// the table returns.
func (p Page) ReadAhead(filters []types.Filter) int {
	if len(filters) > 0 {
		return 0
	}
	return p.size + 1
}

// Collect returns a page of the outputs of objects that match admits, and the token
// of the next page, nil on the last. show turns an object into an output. It ends with
// the context's error when the context does.
//
// A page ends when it has the outputs of its size or 5 MB, or when the objects that it
// has looked at and the work of the filters cost [MaxCost]. So it may be short or empty
// and have a token. It looks at one object at least, so that a list always ends.
func Collect[T, Out any](ctx context.Context, p Page, objects List[T], show func(*T) Out, match Match[Out]) (outs []Out, next *string, err error) {
	var position []string
	bytes, cost, steps := 0, 0, 0
	for e, err := range objects {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, nil, err
		}
		cost += max(1, e.Cost)
		if position != nil && cost+steps/stepsPerObject > MaxCost {
			return outs, p.Token(position), nil
		}
		if e.Object != nil {
			out := show(e.Object)
			admitted, work := match(&out)
			if steps += work; admitted {
				bytes += encodedSize(reflect.ValueOf(out))
				if len(outs) == p.size || len(outs) > 0 && bytes > maxBytes {
					return outs, p.Token(position), nil
				}
				outs = append(outs, out)
			}
		}
		position = e.Position
	}
	return outs, nil, nil
}
