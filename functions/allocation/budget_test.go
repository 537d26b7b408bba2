package main

import (
	"fmt"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	var b budgets
	now := time.Unix(1_800_000_000, 0)
	take := func(account string, n int) (taken int) {
		for range n {
			if b.take(account, now) {
				taken++
			}
		}
		return taken
	}
	for _, c := range []struct {
		after   time.Duration
		account string
		want    int
	}{
		{0, "a", 500},
		{0, "a", 0},
		{0, "b", 500},
		{49 * time.Millisecond, "a", 0},
		{time.Millisecond, "a", 1},
		{time.Second, "a", 20},
		{time.Hour, "a", 500},
		{-time.Hour, "a", 0}, // the clock was set back
	} {
		now = now.Add(c.after)
		if got := take(c.account, 1000); got != c.want {
			t.Errorf("after %s, %s sends %d requests, want %d", c.after, c.account, got, c.want)
		}
	}
}

func TestRefusalsAreRecordedOnceAMinute(t *testing.T) {
	var b budgets
	now := time.Unix(1_800_000_000, 0)
	for i, c := range []struct {
		after   time.Duration
		account string
		want    bool
	}{
		{0, "a", true}, {0, "a", false}, {0, "b", true}, {59 * time.Second, "a", false}, {time.Second, "a", true}, {time.Second, "a", false}, {time.Hour, "a", true},
	} {
		now = now.Add(c.after)
		if got := b.mayRecord(c.account, now); got != c.want {
			t.Errorf("%d: of %s it is recorded: %t, want %t", i, c.account, got, c.want)
		}
	}
}

// Accounts that have their whole budget are forgotten, and no others.
func TestBudgetsAreBounded(t *testing.T) {
	var b budgets
	now := time.Unix(1_800_000_000, 0)
	for i := range 10_000 {
		b.take(fmt.Sprint("early ", i), now)
	}
	now = now.Add(time.Hour)
	for range 500 {
		b.take("busy", now)
	}
	for i := range 9_000 {
		b.take(fmt.Sprint("late ", i), now)
	}
	if n := len(b.of); n > 10_001 {
		t.Errorf("%d accounts are stored", n)
	}
	if b.take("busy", now) {
		t.Error("an account without a budget was forgotten")
	}
}
