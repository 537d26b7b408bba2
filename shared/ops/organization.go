package ops

import (
	"context"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// checkManagement returns an error unless the caller calls from the organisation's
// management account. No class is needed: IAM in that account decides on its principals.
func (o service) checkManagement(ctx context.Context, operation string) error {
	c := registry.CallerFrom(ctx)
	refuse := func(reason string, args ...any) error {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. "+operation+" is for the management account of the organization, "+reason, args...)
	}
	if o.organization == nil {
		return refuse("which this deployment does not know. Deploy it with organizationId, or with accounts set to organization, in the CDK context.")
	}
	id, management, err := o.organization.Management(ctx)
	switch {
	case err != nil:
		slog.ErrorContext(ctx, "the organisation cannot be read", "error", err.Error())
		return ipam.Errorf(ipam.CodeUnavailable, "The organization of account %s, in which Cadastre is deployed, cannot be read at the moment. Retry the request.", o.store.Owner())
	case id == "":
		return refuse("and the account %s, in which Cadastre is deployed, is in none.", o.store.Owner())
	case c.Account != management:
		return refuse("%s, and you call from %s.", management, c.Account)
	}
	return nil
}

// enableAdministrator declares that the deployment's account administers the
// organisation's addresses. An organisation has one such account, a member (Amazon VPC
// IPAM User Guide, "Integrate IPAM with accounts in an AWS Organization").
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
	if !ipam.IsAccountID(account) {
		return "", schema.Invalid("DelegatedAdminAccountId", account, "Use an account id of 12 digits.")
	}
	return account, nil
}
