package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Importer makes a deployment have the content of documents.
type Importer struct {
	API Cadastre
	// Read returns the content of the deployment.
	Read func(ctx context.Context) (*Deployment, error)
	// For returns the API as another account calls it. It is nil if there are only the
	// credentials of one account.
	For      func(ctx context.Context, account string) (Cadastre, error)
	Parallel int // calls at once; 0 is 8
	// Sleep waits between two tries of a step; nil is [backoff.Sleep].
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress, if set, is called after each step, by one goroutine at a time.
	Progress func(done, total int)
}

// Result is the result of an import.
type Result struct {
	Done     int       // steps that were carried out
	Present  int       // objects that the deployment had before
	Findings []Finding // the plan's, and those of steps that the deployment refused
}

// Plan reads the deployment and returns the plan of a document.
func (i *Importer) Plan(ctx context.Context, wanted *Document) (*Plan, error) {
	current, err := i.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the deployment: %w", err)
	}
	return NewPlan(current, wanted, Options{OtherAccounts: i.For != nil}), nil
}

// maxRounds is the number of rounds after which an import gives up.
const maxRounds = 4

// Import plans and does the steps, and then reads the deployment again. If a step is still
// left, it does that step with another client token: a repeated request with the earlier
// token has the earlier answer, even if a user has deleted the object since. A step that
// the deployment refuses is a finding if it is still left then: an earlier import that
// broke off may have been faster. Import can be repeated after any error.
func (i *Importer) Import(ctx context.Context, wanted *Document) (*Result, error) {
	result := &Result{}
	var refused []Finding // of the round before
	for round := 1; ; round++ {
		plan, err := i.Plan(ctx, wanted)
		if err != nil {
			return result.with(refused), err
		}
		if round == 1 {
			result.Present, result.Findings = plan.Present, plan.Findings
		}
		switch {
		case len(plan.Steps) == 0:
			return result, nil
		case len(plan.Steps) == len(refused), round > maxRounds && len(refused) > 0:
			return result.with(refused), nil
		case round > maxRounds:
			return result, fmt.Errorf("%d steps are left after %d rounds, the first of them %s: another program removes the objects that the import makes", len(plan.Steps), maxRounds, plan.Steps[0])
		}
		r := &run{importer: i, round: round, total: len(plan.Steps)}
		err = r.all(ctx, plan.Steps)
		refused = r.findings
		result.Done += r.done - len(refused)
		if err != nil {
			return result.with(refused), err
		}
	}
}

// with returns the result with more findings.
func (r *Result) with(findings []Finding) *Result {
	r.Findings = slices.Concat(r.Findings, findings)
	sortFindings(r.Findings)
	return r
}

// run does the steps of one round.
type run struct {
	importer *Importer
	round    int
	total    int

	mu       sync.Mutex
	done     int
	findings []Finding
	others   map[string]Cadastre // by account
}

func (r *run) all(ctx context.Context, steps []Step) error {
	for len(steps) > 0 {
		n := slices.IndexFunc(steps, func(s Step) bool { return s.phase != steps[0].phase })
		if n < 0 {
			n = len(steps)
		}
		if err := r.phase(ctx, steps[:n]); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

// phase does steps that do not depend on one another.
func (r *run) phase(ctx context.Context, steps []Step) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(r.importer.Parallel, defaultParallel))
	for _, part := range divide(steps, cmp.Or(r.importer.Parallel, defaultParallel)) {
		g.Go(func() error {
			for _, s := range part {
				if err := r.step(ctx, s); err != nil {
					return fmt.Errorf("%s: %w", s, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// divide divides the steps of a phase into parts that are done at once. Steps that write
// the same item are in one part: pools count in their scope, and CIDRs in their source. Of
// allocations, each part has neighbours, so that two parts seldom take of the same free
// block.
func divide(steps []Step, parts int) [][]Step {
	var divided [][]Step
	at := map[any]int{}
	for _, s := range steps {
		if s.allocation != nil {
			return slices.Collect(slices.Chunk(steps, (len(steps)+parts-1)/parts))
		}
		item := s.writes()
		i, ok := at[item]
		if !ok {
			i = len(divided)
			at[item], divided = i, append(divided, nil)
		}
		divided[i] = append(divided[i], s)
	}
	return divided
}

// writes returns the object in the deployment that the step writes besides its own.
func (s Step) writes() any {
	switch {
	case s.Operation == "ProvisionIpamPoolCidr" && s.pool.source != nil:
		return s.pool.source
	case s.Operation == "PutIpamPoolShare":
		return s.pool
	case s.pool != nil:
		return s.pool.scope
	case s.resource != nil:
		return s.resource
	}
	return s.ipam // nil for a scope's own settings
}

// step does one step. It returns an error if the import cannot go on.
func (r *run) step(ctx context.Context, s Step) error {
	f := s.blocked()
	if f == nil {
		var err error
		if f, err = r.try(ctx, s); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f != nil {
		line, object := s.place()
		r.findings = append(r.findings, Finding{line, f.kind, object, f.message, f.next})
		s.fail()
	}
	r.done++
	if r.importer.Progress != nil {
		r.importer.Progress(r.done, r.total)
	}
	return nil
}

// The tries of a step.
const (
	stepTries     = 6
	stepFirstWait = 200 * time.Millisecond
	stepLongWait  = 10 * time.Second
)

// try makes the step's call, again if it may succeed later. Each call can be repeated: it
// has a client token, or does nothing the second time. A refusal is a fault; but if an
// earlier call may have been carried out, it may be the reason, and the next round reads
// whether it was.
func (r *run) try(ctx context.Context, s Step) (*fault, error) {
	sleep := r.importer.Sleep
	if sleep == nil {
		sleep = backoff.Sleep
	}
	unknown := false
	for try := 1; ; try++ {
		api, err := r.api(ctx, s)
		if err == nil {
			err = s.do(ctx, api, r.round)
		}
		code, message, answered := answer(err)
		switch {
		case err == nil:
			return nil, nil
		case answered && ipam.InfoOf(code).Label == "auth":
			return nil, err
		case answered && !code.Temporary() && code != ipam.CodeOutcomeUnknown:
			if unknown {
				return nil, nil
			}
			return faultf(KindRefused, "Correct it by this message, and repeat the import.", "The deployment answers %s: %s", code, message), nil
		case try == stepTries || ctx.Err() != nil:
			return nil, err
		}
		unknown = unknown || !answered || code == ipam.CodeOutcomeUnknown
		if err := sleep(ctx, backoff.Delay(try, stepFirstWait, stepLongWait)); err != nil {
			return nil, err
		}
	}
}

// answer returns the code and message of an answer of Cadastre, and false if err is none.
func answer(err error) (ipam.Code, string, bool) {
	if e, ok := errors.AsType[*ipam.Error](err); ok {
		return e.Code, e.Message, true
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() != "UnknownError" {
		return ipam.Code(e.ErrorCode()), e.ErrorMessage(), true
	}
	return "", "", false
}

// api returns the API as the account calls it that is to own the step's object.
func (r *run) api(ctx context.Context, s Step) (Cadastre, error) {
	if s.allocation == nil || s.owner == "" {
		return r.importer.API, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	api, ok := r.others[s.owner]
	if ok {
		return api, nil
	}
	api, err := r.importer.For(ctx, s.owner)
	if err != nil {
		return api, fmt.Errorf("act for the account %s: %w", s.owner, err)
	}
	if r.others == nil {
		r.others = map[string]Cadastre{}
	}
	r.others[s.owner] = api
	return api, nil
}

// blocked returns a fault if the step needs an object that the deployment refused.
func (s Step) blocked() *fault {
	if s.pool != nil {
		if s.pool.fault != nil {
			return s.pool.fault
		}
		if s.Operation == "CreateIpamPool" && s.pool.source != nil && s.pool.source.fault != nil {
			return s.pool.source.fault
		}
		return s.pool.scope.fault
	}
	if s.scope != nil {
		return s.scope.fault
	}
	return nil
}

// fail records that the deployment refused the step, for those that depend on it.
func (s Step) fail() {
	switch s.Operation {
	case "CreateIpamPool":
		s.pool.fault = dependsOn(rowPool, s.pool.name, s.pool.wanted.Line)
	case "CreateIpamScope":
		s.scope.fault = dependsOn(rowScope, s.scope.name, s.scope.wanted.Line)
	}
}

// place returns the line and the object of the step, for findings.
func (s Step) place() (line int, object string) {
	switch {
	case s.allocation != nil:
		return s.allocation.Line, s.cidr.String()
	case s.resource != nil:
		return s.resource.Line, s.cidr.String()
	case s.pool != nil && s.cidr.IsValid():
		return s.pool.wanted.Line, s.cidr.String()
	case s.pool != nil:
		return s.pool.wanted.Line, s.pool.name
	case s.scope != nil:
		return s.scope.wanted.Line, s.scope.name
	case s.ipam != nil && s.ipam.wanted != nil:
		return s.ipam.wanted.Line, rowIPAM
	}
	return 0, s.Operation
}
