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

func TestFull(t *testing.T) {
	for _, c := range []struct {
		try          int
		first, limit time.Duration
		below        time.Duration
	}{
		{1, 10 * time.Millisecond, 500 * time.Millisecond, 10 * time.Millisecond},
		{3, 10 * time.Millisecond, 500 * time.Millisecond, 40 * time.Millisecond},
		{6, 10 * time.Millisecond, 500 * time.Millisecond, 320 * time.Millisecond},
		{7, 10 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond},
		{1000, 10 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond},
		{1, time.Minute, time.Second, time.Second},
		{1, 1, 1, 1},
	} {
		low, high := c.below, time.Duration(0)
		for range 1000 {
			d := Full(c.try, c.first, c.limit)
			low, high = min(low, d), max(high, d)
		}
		if low < 0 || high >= c.below {
			t.Errorf("Full(%d, %v, %v) is between %v and %v, want 0 to below %v", c.try, c.first, c.limit, low, high, c.below)
		}
		if low > c.below/10 || high < c.below/10*9 {
			t.Errorf("Full(%d, %v, %v) is between %v and %v and does not use the whole range", c.try, c.first, c.limit, low, high)
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
