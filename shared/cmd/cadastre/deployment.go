package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/shared/assume"
	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// deployment is the API of a deployment, for commands that read and write an IPAM's
// content.
type deployment struct {
	settings *settings
	ipam     string
	parallel int
}

// add adds the flags.
func (d *deployment) add(c *cobra.Command) {
	d.settings.addEndpoint(c)
	c.Flags().StringVar(&d.ipam, "ipam", "", "`ID` of the IPAM; default: the only one")
	c.Flags().IntVar(&d.parallel, "parallel", 8, "`NUMBER` of calls at once")
}

// attempts is the number of attempts of a call. A long run has time.
const attempts = 8

// open returns the API as the account of the settings calls it.
func (d *deployment) open(ctx context.Context) (migration.Cadastre, error) {
	if err := d.settings.needEndpoint(); err != nil {
		return migration.Cadastre{}, err
	}
	if d.parallel < 1 {
		return migration.Cadastre{}, misusef("--parallel is %d; at least one call is necessary", d.parallel)
	}
	cfg, err := d.settings.credentials(ctx)
	if err != nil {
		return migration.Cadastre{}, err
	}
	return d.api(ctx, cfg)
}

// api returns the API as the configuration's account calls it, for the home Region of the
// deployment.
func (d *deployment) api(ctx context.Context, cfg aws.Config) (migration.Cadastre, error) {
	region := d.settings.apiRegion()
	if region == "" {
		region = cfg.Region
	}
	calls := &client.JSON{Endpoint: d.settings.endpoint, Region: region, Credentials: cfg.Credentials}
	access, err := migration.GetAccess(ctx, calls)
	if err != nil {
		return migration.Cadastre{}, err
	}
	calls.ActFor, cfg.Region, cfg.RetryMaxAttempts = access.HomeRegion, access.HomeRegion, attempts
	return migration.Cadastre{EC2: ec2.NewFromConfig(cfg, client.Options(d.settings.endpoint, region)), JSON: calls}, nil
}

// as returns a function that returns the API as another account calls it, with a role.
func (d *deployment) as(ctx context.Context, role string) (func(context.Context, string) (migration.Cadastre, error), error) {
	if role == "" {
		return nil, nil
	}
	cfg, err := d.settings.credentials(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = d.settings.apiRegion()
	}
	roles := assume.NewRole(cfg, role, time.Minute)
	return func(ctx context.Context, account string) (migration.Cadastre, error) {
		theirs, err := roles.Config(ctx, account, cfg.Region, "cadastre-import")
		if err != nil {
			return migration.Cadastre{}, err
		}
		return d.api(ctx, theirs)
	}, nil
}

// progress prints how far a long work is, at most once in a while.
type progress struct {
	w     io.Writer
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	last time.Time
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, every: 2 * time.Second, now: time.Now}
	p.last = p.now()
	return p
}

// show returns a function that reports the progress of a work.
func (p *progress) show(work string) func(done, total int) {
	return func(done, total int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if now := p.now(); now.Sub(p.last) >= p.every {
			p.last = now
			fmt.Fprintf(p.w, "%s: %d of %d\n", work, done, total)
		}
	}
}
