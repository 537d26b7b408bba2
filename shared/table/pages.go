package table

import (
	"context"
	"iter"
)

// Pages yields the rows of each answer to q, and asks for the next answer only
// when the caller wants it. An error is the last thing that it yields.
func Pages(ctx context.Context, t Table, q Query) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		for {
			rows, next, err := t.Query(ctx, q)
			if !yield(rows, err) || err != nil || next == "" {
				return
			}
			q.After = next
		}
	}
}

// Rows yields the rows that q selects, of as many answers as it takes. The caller
// may write to the table between two rows: an answer is read as a whole before its
// first row is yielded. An error is the last thing that Rows yields.
func Rows(ctx context.Context, t Table, q Query) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for rows, err := range Pages(ctx, t, q) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
