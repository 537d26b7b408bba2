package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/localstack/sigv4front"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/lambdaruntime"
)

// coldStart measures the api function's start, from exec to its first poll of
// the runtime API, and its size.
func coldStart(ctx context.Context, o *settings) error {
	title("The api function")
	info, err := os.Stat(o.binary)
	if err != nil {
		return fmt.Errorf("build it first: %w", err)
	}
	var times []time.Duration
	for range o.runs + 1 {
		var log strings.Builder // its output when it is ended before its first event does not matter
		start := time.Now()
		f, err := lambdaruntime.Start(ctx, lambdaruntime.Config{
			Binary: o.binary,
			Env:    sigv4front.FunctionEnv("us-east-1", "http://127.0.0.1:1", "bench", account, ""),
			Log:    &log,
		})
		if err != nil {
			return err
		}
		err = f.Ready(ctx)
		times = append(times, time.Since(start))
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%w\n%s", err, &log)
		}
	}
	times = times[1:] // the first start reads the file from the disk
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("cold start, exec to first poll, %d runs: min %.1f ms, median %.1f ms, max %.1f ms (aim: below 30 ms)\n",
		len(times), ms(times[0]), ms(times[len(times)/2]), ms(times[len(times)-1]))
	fmt.Printf("size: %.1f MB (aim: below 15 MB)\n", float64(info.Size())/1e6)
	return nil
}
