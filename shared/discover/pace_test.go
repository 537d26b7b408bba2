package discover_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
)

// EC2's documented limits of the Describe calls that discovery makes.
const bucket, refill = 100, 20

// world is an EC2 with limits.
func world(l *discovertest.Limits) *discovertest.Cloud {
	c := cloud()
	c.Fault = l.Fault
	return c
}

// config is the cloud's configuration with the SDK's own retries.
func config(c *discovertest.Cloud) aws.Config {
	cfg := c.Config()
	cfg.Retryer = func() aws.Retryer { return retry.NewStandard() }
	return cfg
}

// neighbour calls DescribeVpcs in the account at a rate, in random intervals and without
// retries, until the context ends. It returns the calls that EC2 answered and those that it throttled.
func neighbour(ctx context.Context, t *testing.T, c *discovertest.Cloud, rate int) (answered, throttled int) {
	cfg := c.Config()
	cfg.Region, cfg.Credentials = region, credentials.NewStaticCredentialsProvider("ASIA"+account, "s", "")
	e := ec2.NewFromConfig(cfg)
	random := rand.New(rand.NewPCG(1, uint64(rate)))
	for {
		wait := time.Duration(random.Int64N(int64(2 * time.Second / time.Duration(rate))))
		if backoff.Sleep(ctx, wait) != nil {
			return answered, throttled
		}
		_, err := e.DescribeVpcs(context.WithoutCancel(ctx), &ec2.DescribeVpcsInput{MaxResults: aws.Int32(5)})
		if err == nil {
			answered++
			continue
		}
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "RequestLimitExceeded" {
			t.Error(err)
		}
		throttled++
	}
}

// busy has n processes read the account until the context ends, as fast as they may. Each
// is made for n readers. It returns the times of their DescribeVpcs, since the start, and
// the number of reads that failed.
func busy(ctx context.Context, t *testing.T, c *discovertest.Cloud, n int) (times []time.Duration, failed int) {
	start := time.Now()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		e, err := discover.NewClients(config(c), "cadastre-reader", n).EC2(context.WithoutCancel(ctx), account, region)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := e.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(1000)})
				mu.Lock()
				if err == nil {
					times = append(times, time.Since(start))
				} else if ctx.Err() == nil {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return times, failed
}

// The readers take at most half of EC2's limits in any time, however many there are. A
// neighbour that takes the other half is never throttled.
func TestReadersLeaveHalfOfTheLimits(t *testing.T) {
	for _, n := range []int{1, 3, 6} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &discovertest.Limits{Bucket: bucket, Refill: refill}
				c := world(l)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var answered, throttled int
				var beside sync.WaitGroup
				beside.Go(func() { answered, throttled = neighbour(ctx, t, c, refill/2) })
				times, failed := busy(ctx, t, c, n)
				beside.Wait()
				if failed > 0 || throttled > 0 || answered < 60*refill/2*9/10 {
					t.Errorf("%d reads failed; the neighbour made %d calls, and %d were throttled", failed, answered, throttled)
				}
				for i := range times {
					for j := i; j < len(times); j++ {
						if most := bucket/2 + (times[j]-times[i]).Seconds()*refill/2; float64(j-i+1) > most+1 {
							t.Fatalf("%d calls between %s and %s, the most is %.1f", j-i+1, times[i], times[j], most)
						}
					}
				}
				if want := bucket/2 + 60*refill/2; len(times) < want*9/10 {
					t.Errorf("the readers made %d calls in a minute, want about %d: they wait too long", len(times), want)
				}
			})
		})
	}
}

// The limits hold for each action, account and Region by itself.
func TestActionsHaveLimitsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cloud()
		c.Roles["222233334444"] = "cadastre-reader"
		clients := discover.NewClients(config(c), "cadastre-reader", 1)
		start := time.Now()
		for _, at := range [][2]string{{account, region}, {account, "eu-west-1"}, {"222233334444", region}} {
			e, err := clients.EC2(t.Context(), at[0], at[1])
			if err != nil {
				t.Fatal(err)
			}
			for range bucket / 2 {
				_, err := e.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
				_, err2 := e.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
			}
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("it took %s, want no wait", took)
		}
		e, err := clients.EC2(t.Context(), account, region) // another client of the same account
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Second*2/refill {
			t.Errorf("the call beyond the half waited %s", took)
		}
	})
}

// An account may have lower limits than EC2's, or a neighbour that takes more than its
// half. The readers then give way, and are as fast as before when the limits are back.
func TestReadersGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &discovertest.Limits{Bucket: 10, Refill: 4}
		c := world(l)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var answered, throttled int
		var beside sync.WaitGroup
		beside.Go(func() { answered, throttled = neighbour(ctx, t, c, 2) })
		clients := discover.NewClients(c.Config(), "cadastre-reader", 1) // without the waits of the SDK's own retries
		e, err := clients.EC2(t.Context(), account, region)
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for ctx.Err() == nil {
			if _, err := e.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(1000)}); err == nil {
				read++
			}
		}
		beside.Wait()
		if answered < throttled*3 {
			t.Errorf("the neighbour, which takes half of the limits, had %d answers, and %d calls were throttled", answered, throttled)
		}
		if read < 200 {
			t.Errorf("the reader made %d calls in five minutes", read)
		}
		c.Lock()
		c.Fault = nil
		c.Unlock()
		time.Sleep(100 * time.Second)
		start := time.Now()
		for range bucket/2 + 10*refill/2 {
			if _, err := e.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{MaxResults: aws.Int32(1000)}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("afterwards, 150 calls took %s, want 10s", took)
		}
	})
}

// A wait ends with the context, and says so.
func TestPaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cloud()
		e, err := discover.NewClients(config(c), "cadastre-reader", 1000).EC2(t.Context(), account, region)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		for err = nil; err == nil; {
			_, err = e.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if n := len(c.Made); n < 3 || n > 5 { // AssumeRole, and the calls of a bucket of 2.5 tokens
			t.Errorf("%d calls", n)
		}
	})
}
