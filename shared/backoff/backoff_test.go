package backoff

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelay(t *testing.T) {
	for _, c := range []struct {
		try          int
		first, limit time.Duration
		least, most  time.Duration
	}{
		{1, 200 * time.Millisecond, time.Minute, 100 * time.Millisecond, 200 * time.Millisecond},
		{2, 200 * time.Millisecond, time.Minute, 200 * time.Millisecond, 400 * time.Millisecond},
		{6, 200 * time.Millisecond, time.Minute, 3200 * time.Millisecond, 6400 * time.Millisecond},
		{6, 200 * time.Millisecond, 5 * time.Second, 2500 * time.Millisecond, 5 * time.Second},
		{1000, 200 * time.Millisecond, 5 * time.Second, 2500 * time.Millisecond, 5 * time.Second},
		{1, time.Minute, time.Second, 500 * time.Millisecond, time.Second},
		{2, 2, 2, 1, 2},
		{30, 2, math.MaxInt64, 1 << 29, 1 << 30},
	} {
		short, long := false, false
		for range 1000 {
			d := Delay(c.try, c.first, c.limit)
			if d < c.least || d > c.most {
				t.Fatalf("Delay(%d, %v, %v) = %v, want %v to %v", c.try, c.first, c.limit, d, c.least, c.most)
			}
			middle := c.least + (c.most-c.least)/2
			short, long = short || d <= middle, long || d >= middle
		}
		if !short || !long {
			t.Errorf("Delay(%d, %v, %v) does not vary", c.try, c.first, c.limit)
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := Sleep(t.Context(), 3*time.Second); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("slept %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the context ended after 1 s; slept %v: %v", time.Since(start), err)
		}
	})
}
