package resign

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// lender gives the proxy's credentials to calls that may have them. It is safe
// for concurrent use.
type lender struct {
	provider aws.CredentialsProvider
	anyKey   bool
	logger   *slog.Logger

	mu      sync.Mutex
	had     map[string]bool // ids of all keys that the provider has given
	renewed time.Time       // when a caller's key last made us ask for new ones
}

// renewal is how long to wait until credentials are renewed for a caller's sake
// again: each time may be a call of STS.
const renewal = time.Minute

// lend returns the credentials to sign with for a caller who names the access
// key. The error is an *ipam.Error.
//
// Credentials that expire are renewed by the proxy and by its callers at
// different times. A caller may be behind, so all keys that the proxy has had
// are good; and ahead, so that for a key it does not know the proxy first looks
// whether there are new credentials.
func (l *lender) lend(ctx context.Context, key string) (aws.Credentials, error) {
	creds, had, err := l.retrieve(ctx, key)
	if err != nil || had || l.anyKey {
		return creds, err
	}
	if cache, ok := l.provider.(interface{ Invalidate() }); ok && l.mayRenew() {
		cache.Invalidate()
		if creds, had, err = l.retrieve(ctx, key); err != nil || had {
			return creds, err
		}
	}
	return aws.Credentials{}, ipam.Errorf(ipam.CodeAuthFailure,
		"The request is signed with an access key that is not the proxy's own. Start the proxy and the tool with the same AWS_PROFILE or access key; or, if each process gets session credentials of its own and nobody else uses this machine, start the proxy with -any-key.")
}

// retrieve returns the provider's credentials, and whether key is of one that it
// has given, now or before.
func (l *lender) retrieve(ctx context.Context, key string) (creds aws.Credentials, had bool, err error) {
	creds, err = l.provider.Retrieve(ctx)
	if err != nil {
		l.logger.ErrorContext(ctx, "no credentials", "error", err.Error())
		return aws.Credentials{}, false, ipam.Errorf(ipam.CodeAuthFailure, "The proxy has no AWS credentials to sign with; its log tells why.")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.had == nil {
		l.had = map[string]bool{}
	}
	l.had[creds.AccessKeyID] = true
	return creds, l.had[key], nil
}

func (l *lender) mayRenew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.renewed.IsZero() && time.Since(l.renewed) < renewal {
		return false
	}
	l.renewed = time.Now()
	return true
}
