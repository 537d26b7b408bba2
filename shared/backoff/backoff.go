// Package backoff says how long a retry loop waits between two tries, and waits.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Delay returns the wait after try n, counted from 1: a random time between half
// of first·2ⁿ⁻¹ and all of it. It never exceeds limit. first and limit must be at
// least 2 ns.
func Delay(n int, first, limit time.Duration) time.Duration {
	most := ceiling(n, first, limit)
	return most/2 + rand.N(most/2+1)
}

// Full returns the wait after try n, counted from 1: a random time below first·2ⁿ⁻¹
// and below limit. It has full jitter: callers that race for the same item wait
// for times that differ most, and one of them hardly waits. first and limit must
// be at least 1 ns.
func Full(n int, first, limit time.Duration) time.Duration { return rand.N(ceiling(n, first, limit)) }

// ceiling returns first·2ⁿ⁻¹, at most limit.
func ceiling(n int, first, limit time.Duration) time.Duration {
	if shift := min(n-1, 40); first <= limit>>shift {
		return first << shift
	}
	return limit
}

// Sleep waits for d. It returns the context's error as soon as ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
