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

// Clients makes clients for the accounts that have the reader role. It is safe
// for concurrent use.
type Clients struct{ role *assume.Role }

// NewClients returns clients that assume the role of that name in each account,
// the caller's own too. cfg is the caller's, with the home Region.
func NewClients(cfg aws.Config, role string) *Clients {
	return &Clients{assume.NewRole(cfg, role, callTimeout)}
}

// EC2 returns a client for an account's Region. It assumes the account's role,
// unless it has credentials from before; that this fails is told by an
// *assume.Error.
func (c *Clients) EC2(ctx context.Context, account, region string) (EC2, error) {
	cfg, err := c.role.Config(ctx, account, region, "cadastre-discovery")
	if err != nil {
		return nil, err
	}
	return ec2.NewFromConfig(cfg), nil
}

// Forget drops an account's credentials: they are those of a role that may have
// been made anew since.
func (c *Clients) Forget(account string) { c.role.Forget(account) }
