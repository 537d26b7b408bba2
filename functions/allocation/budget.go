package main

import (
	"sync"
	"time"
)

// The budget of each account in one instance of the function. An account may send
// budgetBurst requests at once, and budgetRate requests a second for ever. So one account
// leaves the table to the others.
const (
	budgetBurst = 500
	budgetRate  = 20 // requests a second
)

// refusalInterval is the least time between two recorded refusals of an account without
// the class to allocate.
const refusalInterval = time.Minute

// maxAccounts bounds the accounts that a budgets holds. With more, it forgets those that
// have their whole budget.
const maxAccounts = 10_000

// budgets holds the budgets of accounts. The zero value is ready to use. It is safe for
// concurrent use.
type budgets struct {
	mu sync.Mutex
	of map[string]*budget
}

// budget is the budget of an account at a time.
type budget struct {
	requests float64 // that the account may send at once
	at       time.Time
	refused  time.Time // when a refusal was recorded last
}

// take takes a request from the account's budget. It returns false if there is none left.
func (b *budgets) take(account string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.get(account, now)
	if a.requests < 1 {
		return false
	}
	a.requests--
	return true
}

// mayRecord reports whether a refusal of the account may be recorded now. Then the next
// one may not before refusalInterval has passed.
func (b *budgets) mayRecord(account string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.get(account, now)
	if !a.refused.IsZero() && now.Sub(a.refused) < refusalInterval {
		return false
	}
	a.refused = now
	return true
}

// get returns the account's budget at a time. The caller holds the lock.
func (b *budgets) get(account string, now time.Time) *budget {
	a := b.of[account]
	if a == nil {
		if len(b.of) >= maxAccounts {
			for id, other := range b.of {
				if other.refill(now); other.requests == budgetBurst && now.Sub(other.refused) >= refusalInterval {
					delete(b.of, id)
				}
			}
		}
		if b.of == nil {
			b.of = map[string]*budget{}
		}
		a = &budget{requests: budgetBurst, at: now}
		b.of[account] = a
	}
	a.refill(now)
	return a
}

func (a *budget) refill(now time.Time) {
	if passed := now.Sub(a.at); passed > 0 {
		a.requests = min(budgetBurst, a.requests+passed.Seconds()*budgetRate)
		a.at = now
	}
}
