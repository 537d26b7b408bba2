package lambdakit

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
)

// LimitMemory has the collector keep the process within four fifths of the memory
// that Lambda gives the function, which stops it at the whole. Left to itself the
// heap grows to twice what is in use before it is looked at. Outside of Lambda it
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
