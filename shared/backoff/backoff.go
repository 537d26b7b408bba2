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
	most := limit
	if shift := min(n-1, 40); first <= limit>>shift {
		most = first << shift
	}
	return most/2 + rand.N(most/2+1)
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
