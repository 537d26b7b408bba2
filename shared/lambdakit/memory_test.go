package lambdakit

import (
	"runtime/debug"
	"testing"
)

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for size, want := range map[string]int64{"": before, "512": 429496729, "10240": 8589934592} {
		debug.SetMemoryLimit(before)
		t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", size)
		if err := LimitMemory(); err != nil {
			t.Errorf("%q: %v", size, err)
		}
		// An integer division may lose a few bytes.
		if got := debug.SetMemoryLimit(-1); got > want || got < want-5 {
			t.Errorf("of %q MiB the limit is %d, want %d", size, got, want)
		}
	}
	debug.SetMemoryLimit(before)
	for _, size := range []string{"0", "-1", "half"} {
		t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", size)
		if err := LimitMemory(); err == nil || debug.SetMemoryLimit(-1) != before {
			t.Errorf("%q: %v", size, err)
		}
	}
}
