// Package assume acts in other accounts by a role of one name that each of them
// has.
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
	duration = 15 * time.Minute // of a session, the least that STS gives
	window   = time.Minute      // before a session's end it is replaced: a call that has begun is to be done in it
	most     = 1000             // sessions that are kept: who calls chooses their names
)

// Role is a role that accounts have. It is safe for concurrent use.
type Role struct {
	cfg     aws.Config
	sts     *sts.Client
	name    string
	timeout time.Duration

	mu       sync.Mutex
	sessions map[session]*aws.CredentialsCache
}

type session struct{ account, name string }

// NewRole returns the role of that name in each account, the caller's own too.
// cfg is the caller's, with the home Region: credentials of a Region's own STS
// endpoint serve in all Regions, also in those that accounts opt in to. STS has
// the timeout to answer, retries included.
func NewRole(cfg aws.Config, name string, timeout time.Duration) *Role {
	return &Role{cfg: cfg, sts: sts.NewFromConfig(cfg), name: name, timeout: timeout, sessions: map[session]*aws.CredentialsCache{}}
}

// Config returns the configuration of clients of an account's Region. It assumes
// the account's role in a session of that name, unless it has the session's
// credentials from before and they last a while longer; that this fails is told
// by an *Error.
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
	})
	cache := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		ctx, cancel := context.WithTimeout(ctx, r.timeout) // the cache lets go of its callers' deadlines
		defer cancel()
		return provider.Retrieve(ctx)
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = window })
	if len(r.sessions) >= most {
		clear(r.sessions)
	}
	r.sessions[s] = cache
	return cache
}

// Forget drops an account's credentials: they are those of a role that may have
// been made anew since.
func (r *Role) Forget(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.sessions {
		if s.account == account {
			delete(r.sessions, s)
		}
	}
}

// Error is the failure to assume the role of an account.
type Error struct {
	Role string // its ARN
	Err  error  // of STS; no smithy.APIError if it did not answer
}

func (e *Error) Error() string { return fmt.Sprintf("assume %s: %v", e.Role, e.Err) }

func (e *Error) Unwrap() error { return e.Err }
