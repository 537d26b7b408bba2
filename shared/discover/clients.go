package discover

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/assume"
)

// ReaderRole is the default name of the role that discovery assumes in each
// account.
const ReaderRole = "cadastre-reader"

// Clients makes EC2 clients for the accounts with the reader role. Together the
// clients take at most a part of half of EC2's limits for each account and Region, and
// less after EC2 throttled a call: a call that is too early waits. Clients is safe for
// concurrent use.
type Clients struct {
	role  *assume.Role
	pacer *pacer
}

// NewClients returns clients that assume the role with that name in each
// account, the caller's own too. cfg is the caller's configuration, with the
// home Region. readers is the number of processes that may read the same account and
// Region at once, at least 1: each takes its part of the limits.
func NewClients(cfg aws.Config, role string, readers int) *Clients {
	return &Clients{assume.NewRole(cfg, role, callTimeout), newPacer(readers)}
}

// EC2 returns a client for an account's Region. It assumes the account's role,
// unless it still has credentials. If it cannot assume the role, the error is
// an [*assume.Error].
func (c *Clients) EC2(ctx context.Context, account, region string) (EC2, error) {
	cfg, err := c.role.Config(ctx, account, region, "cadastre-discovery")
	if err != nil {
		return nil, err
	}
	return ec2.NewFromConfig(cfg, func(o *ec2.Options) { o.Retryer = c.pacer.paced(o.Retryer, account, region) }), nil
}

// Forget drops an account's credentials. The account's owner may have replaced
// the role since.
func (c *Clients) Forget(account string) { c.role.Forget(account) }
