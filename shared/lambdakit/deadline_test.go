package lambdakit

import (
	"context"
	"testing"
	"time"
)

func TestBeforeEnd(t *testing.T) {
	end := time.Now().Add(time.Hour)
	invocation, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	work, stop := BeforeEnd(invocation, time.Minute)
	defer stop()
	if got, ok := work.Deadline(); !ok || !got.Equal(end.Add(-time.Minute)) {
		t.Errorf("work ends at %v, %v, a minute before %v", got, ok, end)
	}
	cancel()
	if work.Err() == nil {
		t.Error("the work outlives the invocation")
	}

	work, stop = BeforeEnd(t.Context(), time.Minute)
	if got, ok := work.Deadline(); ok || work.Err() != nil {
		t.Errorf("without an end work ends at %v, %v", got, work.Err())
	}
	if stop(); work.Err() == nil {
		t.Error("the work goes on behind its end")
	}
}
