// Command limits compares the account's Lambda concurrency with the use of a deployment:
// the limits of the background functions in the templates that CDK made. `make deploy`
// runs it. It makes one call, lambda:GetAccountSettings, and changes nothing.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

func main() {
	folder := flag.String("templates", "cdk.out", "the folder of the templates that CDK made")
	flag.Parse()
	if err := run(context.Background(), *folder, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string, w io.Writer) error {
	sources, err := read(folder)
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	settings, err := lambda.NewFromConfig(cfg).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return fmt.Errorf("read the account's limits: %w", err)
	}
	limit, unreserved := int(settings.AccountLimit.ConcurrentExecutions), int(aws.ToInt32(settings.AccountLimit.UnreservedConcurrentExecutions))
	report(w, cfg.Region, limit, limit-unreserved, sources)
	return nil
}

// source is an event source of a background function.
type source struct {
	function string // the beginning of the function's logical id, which is its name in the template
	limit    int    // invocations at one time
}

// read returns the event sources of the stacks' templates in a folder.
func read(folder string) ([]source, error) {
	var all []source
	for _, stack := range []string{"Service", "Watch"} {
		path := filepath.Join(folder, stack+".template.json")
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the templates: %w; `make deploy` and `cdk synth` make them", err)
		}
		var template struct {
			Resources map[string]struct {
				Type       string
				Properties struct {
					FunctionName          struct{ Ref string }
					ScalingConfig         struct{ MaximumConcurrency int }
					ParallelizationFactor int
				}
			}
		}
		if err := json.Unmarshal(b, &template); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for _, r := range template.Resources {
			if r.Type != "AWS::Lambda::EventSourceMapping" {
				continue
			}
			p := r.Properties
			// A queue has a maximum. A shard of a stream has as many invocations as
			// its factor, 1 by default.
			s := source{strings.TrimSuffix(p.FunctionName.Ref[:max(len(p.FunctionName.Ref)-8, 0)], "Function"), max(p.ScalingConfig.MaximumConcurrency, p.ParallelizationFactor, 1)}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the templates in %s have no event sources", folder)
	}
	slices.SortFunc(all, func(a, b source) int {
		return strings.Compare(fmt.Sprintf("%s %9d", a.function, a.limit), fmt.Sprintf("%s %9d", b.function, b.limit))
	})
	return all, nil
}

// least is the concurrency that the API and the other functions for callers should have.
const least = 10

// report writes the comparison: limit is the account's, of which functions have reserved
// a part.
func report(w io.Writer, region string, limit, reserved int, sources []source) {
	total := 0
	for _, s := range sources {
		total += s.limit
	}
	rest := limit - reserved - total
	fmt.Fprintf(w, "Lambda concurrency of the account in %s: %d, of which functions reserve %d.\n", region, limit, reserved)
	fmt.Fprintf(w, "Cadastre's background functions take at most %d at one time:\n", total)
	for _, s := range sources {
		fmt.Fprintf(w, "  %-24s %5d\n", s.function, s.limit)
	}
	fmt.Fprintf(w, "The API, the functions for templates and direct invocation, and the account's other functions have the rest: %d.\n", max(rest, 0))
	if rest < least {
		fmt.Fprintf(w, `WARNING: that is less than %d; under load the API may answer OutcomeUnknown. Raise the quota, or lower members of concurrency:
  aws service-quotas request-service-quota-increase --region %s --service-code lambda --quota-code L-B99A9384 --desired-value 1000
`, least, region)
	}
}
