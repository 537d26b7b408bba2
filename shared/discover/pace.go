package discover

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
)

// EC2 limits the calls of an account in a Region by token buckets, one for each API
// action. For the actions of [ReaderActions], with pages or filters, a bucket has 100
// tokens and gets 20 a second (Amazon EC2 Developer Guide, "Request throttling for the
// Amazon EC2 API", non-mutating actions). Without pages or filters DescribeNetworkInterfaces
// has a smaller bucket, so [Read] always asks for pages.
const (
	ec2Bucket = 100.0
	ec2Refill = 20.0 // tokens a second
)

// The readers take at most this share of EC2's limits, together. The rest is left to the
// account's own programs.
const readersShare = 0.5

const (
	// throttledRate is the factor of the rate after a throttled call.
	throttledRate = 0.5
	// leastRate is the lowest rate, in tokens a second. A call with its repetitions waits
	// far less than callTimeout for it.
	leastRate = 0.1
	// maxReaders limits the parts that the readers' share is divided into, so that the
	// rate of each stays useful.
	maxReaders = 20
	// recovery is the part of the highest rate that each second gives back. The rate is the
	// highest again 100 seconds after a throttled call. A neighbour of a reader that
	// recovers faster has more of its calls throttled.
	recovery = 1.0 / 100
	// maxBuckets limits the buckets in memory, those of 1,000 accounts and Regions.
	maxBuckets = 5000
)

// pacer keeps calls of EC2 within a share of its limits. A call that would exceed the
// share waits. After a throttled call the rate of that action in the account and Region
// is halved, and it rises again with the time, as a sum rises and a product falls in
// TCP's congestion avoidance (RFC 5681). So the readers give way to a neighbour that uses
// more than its half, or to an account with lower limits.
//
// The SDK's adaptive retry mode has no highest rate: it is unlimited until EC2 throttles
// a call, which may be a call of the neighbour. And it has one rate for all actions.
//
// It is safe for concurrent use.
type pacer struct {
	burst, rate float64 // of each bucket: its tokens, and the highest rate in tokens a second

	mu      sync.Mutex
	buckets map[action]*bucket
}

// action is an API action in an account and Region: EC2 has a limit for each.
type action struct{ account, region, name string }

// bucket has the tokens of one action.
type bucket struct {
	tokens float64   // below 0: calls wait for that many
	rate   float64   // tokens a second
	at     time.Time // when tokens and rate were right
}

// newPacer returns a pacer for one of several processes that read the same account and
// Region at once. Each has the same part of the readers' share.
func newPacer(readers int) *pacer {
	part := readersShare / float64(min(max(readers, 1), maxReaders))
	return &pacer{burst: part * ec2Bucket, rate: part * ec2Refill, buckets: map[action]*bucket{}}
}

// bucket returns an action's bucket as it is at a time. The caller has locked mu.
func (p *pacer) bucket(a action, at time.Time) *bucket {
	b := p.buckets[a]
	if b == nil {
		if len(p.buckets) >= maxBuckets {
			p.dropFull(at)
		}
		b = &bucket{tokens: p.burst, rate: p.rate, at: at}
		p.buckets[a] = b
	}
	p.refill(b, at)
	return b
}

// refill adds the tokens and the rate that a bucket has gained until a time.
func (p *pacer) refill(b *bucket, at time.Time) {
	passed := max(0, at.Sub(b.at).Seconds())
	b.tokens = min(p.burst, b.tokens+passed*b.rate)
	b.rate = min(p.rate, b.rate+passed*recovery*p.rate)
	b.at = at
}

// dropFull drops the buckets that are as good as new.
func (p *pacer) dropFull(at time.Time) {
	for a, b := range p.buckets {
		if p.refill(b, at); b.tokens == p.burst && b.rate == p.rate {
			delete(p.buckets, a)
		}
	}
}

// take takes a token and returns the time after which the call may be made.
func (p *pacer) take(a action) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bucket(a, time.Now())
	b.tokens--
	return time.Duration(max(0, -b.tokens/b.rate) * float64(time.Second))
}

// slow lowers the rate after a throttled call, and takes the tokens that are left: EC2
// has none.
func (p *pacer) slow(a action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bucket(a, time.Now())
	b.rate = max(leastRate, b.rate*throttledRate)
	b.tokens = min(b.tokens, 0)
}

// pacedRetryer is a retryer of the SDK whose calls, repeated ones too, wait for the pacer.
type pacedRetryer struct {
	aws.RetryerV2
	pacer           *pacer
	account, region string
}

// paced returns a retryer that paces the calls of r.
func (p *pacer) paced(r aws.Retryer, account, region string) aws.Retryer {
	v2, ok := r.(aws.RetryerV2)
	if !ok {
		v2 = firstVersion{r}
	}
	return pacedRetryer{v2, p, account, region}
}

// throttles recognises EC2's answers to a call that exceeds a limit.
var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// GetAttemptToken waits until the call may be made. The SDK calls it before each try.
func (r pacedRetryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	a := action{r.account, r.region, awsmiddleware.GetOperationName(ctx)}
	if wait := r.pacer.take(a); wait > 0 {
		if err := backoff.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
	release, err := r.RetryerV2.GetAttemptToken(ctx)
	if err != nil {
		return nil, err
	}
	return func(err error) error {
		if throttles.IsErrorThrottle(err).Bool() {
			r.pacer.slow(a)
		}
		return release(err)
	}, nil
}

// firstVersion makes a RetryerV2 of a retryer of the SDK's first version.
type firstVersion struct{ aws.Retryer }

// GetAttemptToken returns the token of a first try.
func (r firstVersion) GetAttemptToken(context.Context) (func(error) error, error) {
	return r.GetInitialToken(), nil
}
