package lambdakit

import (
	"context"
	"time"
)

// BeforeEnd returns a context that ends that long before the invocation does, so
// that there is time left to answer what became of the work: Lambda stops a
// function at its timeout, whatever it is about to say. Without a deadline it
// returns a context without one.
func BeforeEnd(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-margin))
}
