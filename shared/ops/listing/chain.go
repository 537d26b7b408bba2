package listing

import (
	"iter"
	"sync"
)

const (
	// PartCost is the least cost of a part of a list, in objects. To read a part
	// takes a call of its own, even if nothing is in it.
	PartCost = 20
	// partsAtOnce is the number of parts that are read at once. The SDK's client
	// keeps ten connections.
	partsAtOnce = 8
)

// Part is a list that [Read] takes, one of several in a [Chain].
type Part[T any] struct {
	Empty    []string // the position of the part if it has no object
	After    string   // the text that it is read behind
	Next     func(after string) ([]*T, string, error)
	Position func(*T) []string
}

// chain reads parts in batches of size, which doubles.
type chain[T any] struct {
	size    int
	waiting []Part[T]
}

// start is the result of the first call for a part.
type start[T any] struct {
	objects []*T
	more    string
	err     error
}

// Chain lists the objects of parts, one part after the other. It reads the starts of
// 1, 2, 4 and then 8 parts at once, more the longer a page is not full. So many small
// parts take few round trips, and a page reads at most twice as many parts as it
// shows.
func Chain[T any](parts iter.Seq2[Part[T], error]) List[T] {
	return func(yield func(Entry[T], error) bool) {
		c := chain[T]{size: 1}
		for p, err := range parts {
			if err != nil {
				if c.flush(yield) {
					yield(Entry[T]{}, err)
				}
				return
			}
			if c.waiting = append(c.waiting, p); len(c.waiting) == c.size && !c.flush(yield) {
				return
			}
		}
		c.flush(yield)
	}
}

// flush reads the starts of the waiting parts at once and yields the parts. It
// returns false when the list ends.
func (c *chain[T]) flush(yield func(Entry[T], error) bool) bool {
	starts := make([]start[T], len(c.waiting))
	var g sync.WaitGroup
	for i, p := range c.waiting {
		g.Go(func() { starts[i].objects, starts[i].more, starts[i].err = p.Next(p.After) })
	}
	g.Wait()
	for i, p := range c.waiting {
		if !p.yield(starts[i], yield) {
			return false
		}
	}
	c.waiting, c.size = c.waiting[:0], min(2*c.size, partsAtOnce)
	return true
}

// yield yields a part whose start has been read, and reads the rest of it. It
// returns false when the list ends.
func (p Part[T]) yield(first start[T], yield func(Entry[T], error) bool) bool {
	if first.err != nil {
		yield(Entry[T]{}, first.err)
		return false
	}
	if len(first.objects) == 0 && !yield(Entry[T]{Position: p.Empty, Cost: PartCost}, nil) {
		return false
	}
	for i, o := range first.objects {
		e := Entry[T]{Object: o, Position: p.Position(o)}
		if i == 0 {
			e.Cost = PartCost
		}
		if !yield(e, nil) {
			return false
		}
	}
	if first.more == "" {
		return true
	}
	for e, err := range Read(first.more, p.Next, p.Position) {
		if !yield(e, err) || err != nil {
			return false
		}
	}
	return true
}

// List lists the objects of the part alone.
func (p Part[T]) List() List[T] { return Read(p.After, p.Next, p.Position) }
