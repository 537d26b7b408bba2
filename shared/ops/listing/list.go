package listing

import "iter"

// Entry is an object of a list with its position.
type Entry[T any] struct {
	Object   *T       // nil for one that the list does not show
	Position []string // a page that begins behind it goes on with the next entry
	Cost     int      // of reading the entry, in objects; 0 counts as 1
}

// List yields the objects of a list in order. It ends with the first error.
type List[T any] = iter.Seq2[Entry[T], error]

// Read lists the objects that a method of the store returns page by page, behind
// the text after. position returns the position of an object.
func Read[T any](after string, next func(after string) ([]*T, string, error), position func(*T) []string) List[T] {
	return func(yield func(Entry[T], error) bool) {
		for {
			objects, more, err := next(after)
			if err != nil {
				yield(Entry[T]{}, err)
				return
			}
			for _, o := range objects {
				if !yield(Entry[T]{Object: o, Position: position(o)}, nil) {
					return
				}
			}
			if after = more; after == "" {
				return
			}
		}
	}
}

// Filter returns the list with only the objects for which keep returns true. The
// other entries stay, without their object: they count towards the page.
func Filter[T any](objects List[T], keep func(*T) bool) List[T] {
	return func(yield func(Entry[T], error) bool) {
		for e, err := range objects {
			if e.Object != nil && !keep(e.Object) {
				e.Object = nil
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Concat returns the lists one after the other. It reads each list when it gets there.
func Concat[T any](lists ...List[T]) List[T] {
	return func(yield func(Entry[T], error) bool) {
		for _, list := range lists {
			for e, err := range list {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}
