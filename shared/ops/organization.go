package ops

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Organization is asked about the organisation that the deployment's account is
// in. It is called for many callers at once, and before many answers, so it
// remembers.
type Organization interface {
	// Ancestors returns the ids of the units that an account, or a unit, is in,
	// inmost first, and of the root behind them; none for what is not in the
	// organisation.
	Ancestors(ctx context.Context, child string) ([]string, error)
	// Management returns the organisation's id and the account that manages it,
	// both "" if the deployment's account is in none.
	Management(ctx context.Context) (id, account string, err error)
}

// WithOrganization has o asked which organizational units callers are in, so that
// pools can be shared with units, and who manages the organisation. If o is nil,
// nobody is.
func WithOrganization[T any, P interface {
	*T
	Organization
}](o P) Option {
	return func(s *service) {
		if o != nil {
			s.organization = o
		}
	}
}

const unitPrefix = "ou-"

type standingKey struct{}

// withStanding returns a context in which principals finds out what there is to
// know of the caller: once, however often one call asks, so that it meets one
// answer; and not at all in the calls that need not know.
func (o service) withStanding(ctx context.Context) context.Context {
	if o.organization == nil {
		return ctx
	}
	return context.WithValue(ctx, standingKey{}, sync.OnceValues(func() ([]string, error) { return o.standing(ctx) }))
}

// principals are what a pool may be shared with so that the caller sees it: its
// account, its organisation, and the units that it is in, ascending.
func principals(ctx context.Context) []string {
	found, _ := standing(ctx)
	return found
}

// standing is principals, and an error if there may be more.
func standing(ctx context.Context) ([]string, error) {
	if find, ok := ctx.Value(standingKey{}).(func() ([]string, error)); ok {
		return find()
	}
	return told(registry.CallerFrom(ctx)), nil
}

// told are those of the principals that the door tells.
func told(c registry.Caller) []string {
	if c.OrganizationID == "" {
		return []string{c.Account}
	}
	return []string{c.Account, c.OrganizationID}
}

// standing finds the principals. An account whose units cannot be read is in
// none: it does without what is shared with them, rather than keep what it may
// have lost.
func (o service) standing(ctx context.Context) ([]string, error) {
	c := registry.CallerFrom(ctx)
	found := told(c)
	above, err := o.organization.Ancestors(ctx, c.Account)
	if err != nil {
		slog.ErrorContext(ctx, "the caller's organizational units are not known, and what is shared with them is not shown", "account", c.Account, "error", err.Error())
		return found, err
	}
	if c.OrganizationID == "" && len(above) > 0 { // the door tells the account only
		var id string
		if id, err = o.administered(ctx); id != "" {
			found = append(found, id)
		}
	}
	for _, id := range above {
		if strings.HasPrefix(id, unitPrefix) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, err
}

// administered returns the id of the organisation that the deployment's account
// is in, if it manages it or is declared to administer its addresses, and else "".
func (o service) administered(ctx context.Context) (string, error) {
	id, management, err := o.organization.Management(ctx)
	if err == nil && id != "" && management != o.store.Owner() {
		var declared *store.Administrator
		declared, err = o.store.Administrator(ctx)
		if declared == nil || declared.Organization != id { // the account may have left the one that declared it
			id = ""
		}
	}
	if err != nil {
		slog.ErrorContext(ctx, "the organisation is not known, and what is shared with it is not shown", "account", registry.CallerFrom(ctx).Account, "error", err.Error())
		return "", err
	}
	return id, nil
}

// checkUnit refuses a unit that pools cannot be shared with.
func (o service) checkUnit(ctx context.Context, unit string) error {
	if o.organization == nil {
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "The Principal %s is an organizational unit, and this deployment does not ask which units an account is in. Deploy it with organizationId, or with accounts set to organization, in the CDK context; or share with accounts, or with the organization.", unit)
	}
	switch above, err := o.organization.Ancestors(ctx, unit); {
	case err != nil:
		slog.ErrorContext(ctx, "an organizational unit cannot be looked up", "unit", unit, "error", err.Error())
		return ipam.Errorf(ipam.CodeUnavailable, "The organizational unit %s cannot be looked up at the moment. Retry the request; if it goes on so, see that the account %s, in which Cadastre is deployed, manages the organization or is a delegated administrator of it: AWS Organizations answers no others.", unit, o.store.Owner())
	case len(above) == 0:
		return schema.Invalid("Principal", unit, "The organization of account %s, in which Cadastre is deployed, has no such organizational unit. `aws organizations list-organizational-units-for-parent` lists them.", o.store.Owner())
	}
	return nil
}

// managed lets the organisation's management account call, and nobody else,
// whatever is granted: who may there is for IAM in that account to say.
func (o service) managed(ctx context.Context, operation string) error {
	c := registry.CallerFrom(ctx)
	refuse := func(why string, args ...any) error {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. "+operation+" is for the management account of the organization, "+why, args...)
	}
	if o.organization == nil {
		return refuse("which this deployment does not know. Deploy it with organizationId, or with accounts set to organization, in the CDK context.")
	}
	id, management, err := o.organization.Management(ctx)
	switch {
	case err != nil:
		slog.ErrorContext(ctx, "the organisation is not known", "error", err.Error())
		return ipam.Errorf(ipam.CodeUnavailable, "The organization of account %s, in which Cadastre is deployed, cannot be read at the moment. Retry the request.", o.store.Owner())
	case id == "":
		return refuse("and the account %s, in which Cadastre is deployed, is in none.", o.store.Owner())
	case c.Account != management:
		return refuse("%s, and you call from %s.", management, c.Account)
	}
	return nil
}

// enableAdministrator declares that the deployment's account administers the
// organisation's addresses. There is one such account in an organisation, and it
// is a member (Amazon VPC IPAM User Guide, "Integrate IPAM with accounts in an
// AWS Organization").
func (o service) enableAdministrator(ctx context.Context, in *ec2.EnableIpamOrganizationAdminAccountInput) (*ec2.EnableIpamOrganizationAdminAccountOutput, error) {
	account, err := administratorOf(in.DelegatedAdminAccountId)
	if err != nil {
		return nil, err
	}
	id, management, err := o.organization.Management(ctx)
	if err != nil {
		return nil, err
	}
	switch owner := o.store.Owner(); {
	case account == management:
		return nil, schema.Invalid("DelegatedAdminAccountId", account, "It is the management account. Use a member account; Cadastre is deployed in %s.", owner)
	case account != owner:
		return nil, schema.Invalid("DelegatedAdminAccountId", account, "A deployment of Cadastre serves the account that it is deployed in, which is %s here. Use that, or call the deployment in %s.", owner, account)
	}
	if err := o.store.PutAdministrator(ctx, store.Administrator{Account: account, Organization: id, Management: management}); err != nil {
		return nil, err
	}
	return &ec2.EnableIpamOrganizationAdminAccountOutput{Success: aws.Bool(true)}, nil
}

func (o service) disableAdministrator(ctx context.Context, in *ec2.DisableIpamOrganizationAdminAccountInput) (*ec2.DisableIpamOrganizationAdminAccountOutput, error) {
	account, err := administratorOf(in.DelegatedAdminAccountId)
	if err != nil {
		return nil, err
	}
	if err := o.store.DeleteAdministrator(ctx, account); err != nil {
		return nil, err
	}
	return &ec2.DisableIpamOrganizationAdminAccountOutput{Success: aws.Bool(true)}, nil
}

func administratorOf(given *string) (string, error) {
	account := aws.ToString(given)
	if !accountID.MatchString(account) {
		return "", schema.Invalid("DelegatedAdminAccountId", account, "Use an account id of 12 digits.")
	}
	return account, nil
}
