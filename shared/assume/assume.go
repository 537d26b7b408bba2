// Package assume acts in other accounts through a role that has the same name
// in each of them.
package assume

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

const (
	duration = 15 * time.Minute // length of a session, the shortest that STS gives
	window   = time.Minute      // a session is replaced this long before its end, so that a call finishes in it
	most     = 1000             // number of sessions kept, because callers choose their names
)

// Role is a role with one name in many accounts. It is safe for concurrent use.
type Role struct {
	cfg     aws.Config
	sts     *sts.Client
	name    string
	timeout time.Duration
	source  bool // a session has its name as its source identity, too

	mu       sync.Mutex
	sessions map[session]*aws.CredentialsCache
}

type session struct{ account, name string }

// NewRole returns the role with that name in each account, the caller's own
// too. cfg is the caller's configuration, with the home Region: credentials
// from a Region's own STS endpoint are valid in all Regions, also in opt-in
// Regions. STS has the timeout to answer, retries included.
func NewRole(cfg aws.Config, name string, timeout time.Duration, options ...Option) *Role {
	r := &Role{cfg: cfg, sts: sts.NewFromConfig(cfg), name: name, timeout: timeout, sessions: map[session]*aws.CredentialsCache{}}
	for _, option := range options {
		option(r)
	}
	return r
}

// An Option configures a [Role].
type Option func(*Role)

// WithSourceIdentity gives each session its name as its source identity, which stays the
// same in all sessions that begin from it (IAM User Guide, "Monitor and control actions
// taken with assumed roles"). The role must trust the caller for sts:SetSourceIdentity.
func WithSourceIdentity() Option { return func(r *Role) { r.source = true } }

// Config returns the configuration of clients for an account's Region. It
// assumes the account's role in a session with that name, unless it has
// credentials of the session that are valid for a while longer. If it cannot
// assume the role, the error is an [*Error].
func (r *Role) Config(ctx context.Context, account, region, name string) (aws.Config, error) {
	arn := "arn:" + ipam.PartitionOf(region) + ":iam::" + account + ":role/" + r.name
	cache := r.session(session{account, name}, arn)
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if _, err := cache.Retrieve(ctx); err != nil {
		return aws.Config{}, &Error{arn, err}
	}
	cfg := r.cfg.Copy()
	cfg.Region, cfg.Credentials = region, cache
	return cfg, nil
}

func (r *Role) session(s session, arn string) *aws.CredentialsCache {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cache := r.sessions[s]; cache != nil {
		return cache
	}
	provider := stscreds.NewAssumeRoleProvider(r.sts, arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = s.name, duration
		if r.source {
			o.SourceIdentity = &s.name
		}
	})
	cache := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		ctx, cancel := context.WithTimeout(ctx, r.timeout) // the cache drops its callers' deadlines
		defer cancel()
		return provider.Retrieve(ctx)
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = window })
	if len(r.sessions) >= most {
		clear(r.sessions)
	}
	r.sessions[s] = cache
	return cache
}

// Forget drops an account's credentials. The account's owner may have replaced
// the role since.
func (r *Role) Forget(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.sessions {
		if s.account == account {
			delete(r.sessions, s)
		}
	}
}

// Error is a failure to assume an account's role.
type Error struct {
	Role string // the role's ARN
	Err  error  // STS's error; no smithy.APIError if STS did not answer
}

func (e *Error) Error() string { return fmt.Sprintf("assume %s: %v", e.Role, e.Err) }

func (e *Error) Unwrap() error { return e.Err }
