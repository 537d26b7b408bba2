package lambdakit

import (
	"context"
	"time"
)

// BeforeEnd returns a context that ends margin before the invocation does, so
// that time is left to answer: Lambda stops a function at its timeout in any
// case. Without a deadline it returns a context without one.
func BeforeEnd(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-margin))
}
