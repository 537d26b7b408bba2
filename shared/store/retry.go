package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// attempt tells a decision about the tries before it.
type attempt struct {
	n      int  // 0 for the first
	unsure bool // an earlier transaction's outcome is unknown: what is found may be its doing
}

// errLost is what a decision returns when the snapshot it read cannot have
// been true at one moment.
var errLost = ipam.ErrStale

// commit runs decide and applies the writes it returns, until they are applied
// or decide returns none. decide reads anew each time, first of all whether the
// request was carried out already; what it refuses is refused.
//
// Lost races, conflicts and throttles are tried again with full jitter,
// Options.Tries times. An unknown outcome is resolved by deciding again: the
// read of the record is what tells. lost, if not nil, is called for each lost
// race.
//
// Retries are of the whole decision, never of a transaction: a transaction
// whose answer was lost and that is sent again would fail on its own writes.
func (s *Store) commit(ctx context.Context, act string, lost func(), decide func(attempt) ([]Write, error)) error {
	var a attempt
	var last error
	for ; ; a.n++ {
		writes, err := decide(a)
		switch {
		case errors.Is(err, errLost):
			last = err
		case err != nil:
			return err
		case len(writes) == 0:
			return nil
		case a.n >= s.o.Tries:
			return exhausted(act, last)
		default:
			err = s.table.Transact(ctx, writes)
			if err == nil {
				return nil
			}
			last = err
			a.unsure = a.unsure || !refused(err)
		}
		if a.n >= s.o.Tries && last != nil && errors.Is(last, errLost) {
			return exhausted(act, last)
		}
		if lost != nil && refused(last) && !errors.Is(last, ErrThrottled) {
			lost()
		}
		if err := s.o.Sleep(ctx, jitter(a.n+1)); err != nil {
			return fmt.Errorf("%s: %w after %w", act, err, last)
		}
	}
}

// refused reports whether err says that nothing was written.
func refused(err error) bool {
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrThrottled) || errors.Is(err, errLost) {
		return true
	}
	_, ok := errors.AsType[*ConditionError](err)
	return ok
}

func exhausted(act string, last error) error {
	switch {
	case errors.Is(last, ErrThrottled):
		return ipam.Errorf(ipam.CodeRequestLimitExceeded, "Request limit exceeded. The table refused the load; try again later.")
	case refused(last):
		return ipam.Errorf(ipam.CodeConcurrentMutationLimitExceeded, "There are too many concurrent mutations for the requested resource. Try again later.")
	}
	return fmt.Errorf("%s: %w", act, last)
}
