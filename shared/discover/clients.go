package discover

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// ReaderRole is the default name of the role that discovery assumes in each
// account.
const ReaderRole = "cadastre-reader"

// Clients makes clients for the accounts that have the reader role. It is safe
// for concurrent use.
type Clients struct {
	cfg  aws.Config
	sts  *sts.Client
	role string

	mu          sync.Mutex
	credentials map[string]*aws.CredentialsCache // by account
}

// NewClients returns clients that assume the role of that name in each account,
// the caller's own too. cfg is the caller's, with the home Region: credentials
// of a Region's own STS endpoint serve in all Regions, also in those that
// accounts opt in to.
func NewClients(cfg aws.Config, role string) *Clients {
	return &Clients{cfg: cfg, sts: sts.NewFromConfig(cfg), role: role, credentials: map[string]*aws.CredentialsCache{}}
}

// EC2 returns a client for an account's Region. It assumes the account's role,
// unless it has credentials from before that last a while longer; that this
// fails is told by an *AssumeError.
func (c *Clients) EC2(ctx context.Context, account, region string) (EC2, error) {
	role := "arn:" + ipam.PartitionOf(region) + ":iam::" + account + ":role/" + c.role
	c.mu.Lock()
	cache := c.credentials[account]
	if cache == nil {
		assume := stscreds.NewAssumeRoleProvider(c.sts, role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "cadastre-discovery"
		})
		cache = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			return timed(ctx, assume.Retrieve) // the cache lets go of its callers' deadlines
		}))
		c.credentials[account] = cache
	}
	c.mu.Unlock()
	if _, err := timed(ctx, cache.Retrieve); err != nil {
		return nil, &AssumeError{role, err}
	}
	cfg := c.cfg.Copy()
	cfg.Region, cfg.Credentials = region, cache
	return ec2.NewFromConfig(cfg), nil
}

// Forget drops an account's credentials: they are those of a role that may have
// been made anew since.
func (c *Clients) Forget(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.credentials, account)
}

// AssumeError is the failure to assume the reader role of an account.
type AssumeError struct {
	Role string // its ARN
	Err  error
}

func (e *AssumeError) Error() string { return fmt.Sprintf("assume %s: %v", e.Role, e.Err) }

func (e *AssumeError) Unwrap() error { return e.Err }
