package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// attempt is the number of a try and the outcome of those before it.
type attempt struct {
	n              int  // 0 for the first
	outcomeUnknown bool // the outcome of an earlier transaction is unknown: it may have written the items that are read
}

// errStale is the error of a decision whose snapshot was torn: its items cannot all have
// been there at one moment.
var errStale = ipam.ErrStale

// errUnknownOutcome is the error, wrapped, of a decision that made a transaction of its own
// whose outcome could not be found out.
var errUnknownOutcome = errors.New("outcome unknown")

// commit runs decide and applies the writes that it returns, until they are applied or
// decide returns none. decide reads a new snapshot each time, and first of all the record
// of the request: if the request was carried out, decide returns no writes.
//
// Lost races, conflicts and throttling are tried again with full jitter, Options.Tries
// times. An unknown outcome is resolved by deciding again, because the record shows it.
// From then on a read that fails is tried again too: otherwise its error would be the
// answer to a request that may have been carried out. If the tries or the context end
// before that, the error has the code OutcomeUnknown. commit calls lost, if not nil, for
// each lost race.
//
// A retry repeats the whole decision, never a transaction: a transaction whose answer was
// lost would fail on its own writes if it was sent again.
func (s *Store) commit(ctx context.Context, act string, lost func(), decide func(attempt) ([]table.Write, error)) error {
	var a attempt
	var last error
	for ; ; a.n++ {
		writes, err := decide(a)
		a.outcomeUnknown = a.outcomeUnknown || errors.Is(err, errUnknownOutcome)
		switch {
		case err == nil && len(writes) == 0:
			return nil
		case err == nil && a.n >= s.o.Tries:
			return a.exhausted(act, last)
		case err == nil:
			if err = s.table.Transact(ctx, writes); err == nil {
				return nil
			}
			a.outcomeUnknown = a.outcomeUnknown || !nothingWritten(err)
		case errors.Is(err, errStale), errors.Is(err, table.ErrThrottled), a.outcomeUnknown && !isAnswer(err):
		default:
			return err
		}
		last = err
		if a.n >= s.o.Tries {
			return a.exhausted(act, last)
		}
		if lost != nil && nothingWritten(last) && !errors.Is(last, table.ErrThrottled) {
			lost()
		}
		if err := s.o.Sleep(ctx, wait(a.n+1)); err != nil {
			return a.stopped(act, fmt.Errorf("%w after %w", err, last))
		}
	}
}

// exhausted returns the error of a commit that has used up its tries. last is the error
// of the last try.
func (a attempt) exhausted(act string, last error) error {
	if a.outcomeUnknown {
		return a.stopped(act, last)
	}
	return triesExhausted(act, last)
}

// stopped returns the error of a commit that ends without an answer, because of err. If
// the outcome of one of its transactions is unknown, the code is OutcomeUnknown, and not
// that of a refusal: the request may have been carried out.
func (a attempt) stopped(act string, err error) error {
	err = fmt.Errorf("%s: %w", act, err)
	if !a.outcomeUnknown {
		return err
	}
	return fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "The request may have been carried out: the table gave no answer, and later reads did not find it out. Send it again with the same ClientToken: then nothing happens twice. If the call takes no ClientToken, or had none, look first whether it was carried out."), err)
}

// unlessRecorded returns err, the outcome of a decision that did not find the record of
// its request. If err is an answer and the record is there now, the same request was sent
// twice and carried out between the two reads: the refusal may be about its own result.
// Then it returns errStale, and the decision is made again.
func (s *Store) unlessRecorded(ctx context.Context, record table.Key, err error) error {
	if !isAnswer(err) {
		return err
	}
	read, unread := s.table.BatchGet(ctx, []table.Key{record})
	if unread != nil {
		return unread
	}
	if i, ok := read[record]; ok && !table.Expired(i, s.now()) {
		return errStale
	}
	return err
}

// isAnswer reports whether err is an answer to the caller. A failure to find one is none,
// and neither is the unknown outcome of another commit that the decision made.
func isAnswer(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	return ok && e.Code != ipam.CodeOutcomeUnknown
}

// nothingWritten reports whether err says that nothing was written.
func nothingWritten(err error) bool {
	if errors.Is(err, table.ErrConflict) || errors.Is(err, table.ErrThrottled) || errors.Is(err, errStale) {
		return true
	}
	_, ok := errors.AsType[*table.ConditionError](err)
	return ok
}

func triesExhausted(act string, last error) error {
	switch {
	case errors.Is(last, table.ErrThrottled):
		return ipam.Errorf(ipam.CodeRequestLimitExceeded, "Request limit exceeded. The table refused the load; try again later.")
	case nothingWritten(last):
		return ipam.Errorf(ipam.CodeConcurrentMutationLimitExceeded, "There are too many concurrent mutations for the requested resource. Try again later.")
	}
	return fmt.Errorf("%s: %w", act, last)
}

// wait returns the wait after try n, counted from 1: a random time below 10 ms
// doubled n−1 times, and below 500 ms.
func wait(n int) time.Duration { return backoff.Full(n, 10*time.Millisecond, 500*time.Millisecond) }

func isNotFound(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	return ok && strings.HasSuffix(string(e.Code), ".NotFound")
}

// deletedBefore is the outcome of a delete that does not find its object: success, if an
// earlier try of the same request may have deleted it.
func deletedBefore(a attempt, seen bool, err error) ([]table.Write, error) {
	if a.outcomeUnknown && seen && isNotFound(err) {
		return nil, nil
	}
	return nil, err
}

// staleIfNotFound is the outcome if an object is not found that an item read before refers
// to.
func staleIfNotFound(err error) error {
	if isNotFound(err) {
		return errStale
	}
	return err
}
