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

// Clients makes EC2 clients for the accounts with the reader role. It is safe
// for concurrent use.
type Clients struct{ role *assume.Role }

// NewClients returns clients that assume the role with that name in each
// account, the caller's own too. cfg is the caller's configuration, with the
// home Region.
func NewClients(cfg aws.Config, role string) *Clients {
	return &Clients{assume.NewRole(cfg, role, callTimeout)}
}

// EC2 returns a client for an account's Region. It assumes the account's role,
// unless it still has credentials. If it cannot assume the role, the error is
// an [*assume.Error].
func (c *Clients) EC2(ctx context.Context, account, region string) (EC2, error) {
	cfg, err := c.role.Config(ctx, account, region, "cadastre-discovery")
	if err != nil {
		return nil, err
	}
	return ec2.NewFromConfig(cfg), nil
}

// Forget drops an account's credentials. The account's owner may have replaced
// the role since.
func (c *Clients) Forget(account string) { c.role.Forget(account) }
