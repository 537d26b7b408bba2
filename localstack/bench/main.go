// Command bench measures the speed and cost in the README: the core, the whole
// operation in memory and on DynamoDB Local, the scan of a scope, the metrics, the calls of the console,
// and the start of the api function.
//
// It prints one table for each section. It ends with status 1 if a cost grows
// with the number of allocations held that must not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// section is one part of the report.
type section struct {
	name string
	run  func(context.Context, *settings) error
}

var sections = []section{
	{"core", core},
	{"memory", memory},
	{"scan", scan},
	{"unchanged", unchanged},
	{"metrics", metrics},
	{"pages", pages},
	{"dynamodb", dynamoDB},
	{"start", coldStart},
}

// settings are the command line.
type settings struct {
	dynamo string
	binary string
	span   time.Duration
	runs   int
}

func main() {
	var s settings
	var names []string
	for _, sec := range sections {
		names = append(names, sec.name)
	}
	only := flag.String("only", strings.Join(names, ","), "`sections` to run")
	flag.StringVar(&s.dynamo, "dynamodb", os.Getenv("CADASTRE_DYNAMODB_LOCAL_URL"), "`URL` of DynamoDB Local")
	flag.StringVar(&s.binary, "bootstrap", "build/bench/bootstrap", "`path` of the api function's binary")
	flag.DurationVar(&s.span, "span", 3*time.Second, "`time` to measure each row on DynamoDB Local")
	flag.IntVar(&s.runs, "runs", 20, "cold `starts`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("%s, %s/%s, %d cores\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	chosen := strings.Split(*only, ",")
	failed := false
	for _, sec := range sections {
		if !slices.Contains(chosen, sec.name) {
			continue
		}
		fmt.Println()
		if err := sec.run(ctx, &s); err != nil {
			fmt.Printf("FAIL %s: %v\n", sec.name, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// title prints a section's heading.
func title(t string) {
	fmt.Printf("%s\n%s\n", t, strings.Repeat("-", len([]rune(t))))
}

// thousands writes n with separators.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// flat prints the ratio of the slowest to the fastest row, and fails above the
// limit.
func flat(name string, limit float64, values []float64) error {
	ratio := slices.Max(values) / slices.Min(values)
	fmt.Printf("%s: slowest row %.2f× the fastest, limit %g×\n", name, ratio, limit)
	if ratio > limit {
		return fmt.Errorf("%s grows %.2f× with the number held, more than %g×", name, ratio, limit)
	}
	return nil
}

// growth prints the largest ratio of a row to one with fewer elements, and
// fails above the limit. Fixed costs weigh more in rows with few elements, so
// those may be slower.
func growth(name string, limit float64, values []float64) error {
	ratio, least := 0., values[0]
	for _, v := range values[1:] {
		ratio, least = max(ratio, v/least), min(least, v)
	}
	fmt.Printf("%s: at most %.2f× the time with fewer, limit %g×\n", name, ratio, limit)
	if ratio > limit {
		return fmt.Errorf("%s grows %.2f× with the number held, more than %g×", name, ratio, limit)
	}
	return nil
}
