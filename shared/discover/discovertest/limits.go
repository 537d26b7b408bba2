package discovertest

import (
	"net/http"
	"time"
)

// Limits are EC2's limits of requests: a token bucket for each API action of an account
// in a Region (Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API").
// [Limits.Fault] is a [Cloud.Fault].
type Limits struct {
	Bucket float64 // tokens of a full bucket; a new one is full
	Refill float64 // tokens a second

	Throttled map[string]int // calls that were refused, by the action's name

	buckets map[Call]*tokens
}

type tokens struct {
	n  float64
	at time.Time
}

// Fault takes a token for a call of EC2, and refuses the call if there is none.
func (l *Limits) Fault(c Call) *Fault {
	if c.Service != "ec2" {
		return nil
	}
	c.Page = 0
	if l.buckets == nil {
		l.buckets, l.Throttled = map[Call]*tokens{}, map[string]int{}
	}
	b := l.buckets[c]
	if b == nil {
		b = &tokens{l.Bucket, time.Now()}
		l.buckets[c] = b
	}
	b.n = min(l.Bucket, b.n+time.Since(b.at).Seconds()*l.Refill)
	b.at = time.Now()
	if b.n < 1 {
		l.Throttled[c.Name]++
		return &Fault{Status: http.StatusServiceUnavailable, Code: "RequestLimitExceeded"}
	}
	b.n--
	return nil
}
