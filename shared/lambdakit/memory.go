package lambdakit

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
)

// LimitMemory sets the collector's limit to four fifths of the function's
// memory. Lambda stops a function that uses all of its memory, and without a
// limit the heap may grow to twice its live size. Outside of Lambda LimitMemory
// does nothing.
func LimitMemory() error {
	const size = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" // in MiB (Lambda Developer Guide, "Defined runtime environment variables")
	text := os.Getenv(size)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		return fmt.Errorf("limit the memory: %s is %q, and not a number of MiB", size, text)
	}
	debug.SetMemoryLimit(n << 20 / 5 * 4)
	return nil
}
