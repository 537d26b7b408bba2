package resign

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// lender gives out the proxy's credentials for callers that have them too. It is
// safe for concurrent use.
type lender struct {
	provider aws.CredentialsProvider
	anyKey   bool
	logger   *slog.Logger

	mu      sync.Mutex
	given   map[string]aws.Credentials // all that the provider has given, by access key
	renewed time.Time                  // when an unknown access key last caused a renewal
}

// renewalInterval is the shortest time between two renewals for unknown access keys,
// since each of them may be a call of STS.
const renewalInterval = time.Minute

// lend returns the credentials to sign with, and the caller's: those with the access
// key of the caller's request, which has to be verified with them. The caller's are
// zero if any access key will do. The error is an *[ipam.Error].
//
// The proxy and its callers renew credentials that expire at different times. A
// caller may still have older ones, so all credentials that the proxy has had are
// good. A caller may have newer ones, so the proxy asks for new credentials when it
// does not know an access key.
func (l *lender) lend(ctx context.Context, key string) (own, caller aws.Credentials, err error) {
	own, caller, known, err := l.retrieve(ctx, key)
	if err != nil || known || l.anyKey {
		return own, caller, err
	}
	if cache, ok := l.provider.(interface{ Invalidate() }); ok && l.mayRenew() {
		cache.Invalidate()
		if own, caller, known, err = l.retrieve(ctx, key); err != nil || known {
			return own, caller, err
		}
	}
	return aws.Credentials{}, aws.Credentials{}, ipam.Errorf(ipam.CodeAuthFailure,
		"The request is signed with an access key that is not the proxy's own. Start the proxy and the tool with the same AWS_PROFILE or access key. If each process gets session credentials of its own and you trust all programs on this machine, start the proxy with --any-key.")
}

// retrieve returns the provider's credentials, and those with the access key, which
// it gave now or before. known reports whether there are such.
func (l *lender) retrieve(ctx context.Context, key string) (own, caller aws.Credentials, known bool, err error) {
	own, err = l.provider.Retrieve(ctx)
	if err != nil {
		l.logger.ErrorContext(ctx, "no credentials", "error", err.Error())
		return own, caller, false, ipam.Errorf(ipam.CodeAuthFailure, "The proxy has no AWS credentials to sign with; its log has the reason.")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given == nil {
		l.given = map[string]aws.Credentials{}
	}
	l.given[own.AccessKeyID] = own
	caller, known = l.given[key]
	return own, caller, known, nil
}

func (l *lender) mayRenew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.renewed.IsZero() && time.Since(l.renewed) < renewalInterval {
		return false
	}
	l.renewed = time.Now()
	return true
}
