package ops_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// The list has an account that left, with the operation that forgets it. Only the
// discovery's owner can call it. When the work is done, the list does not have the account
// any more.
func TestDeleteDiscoveredAccount(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := *m.DefaultResourceDiscoveryId
	w.recordRun(id, account, 1)
	w.recordRun(id, consumer, 1)
	w.recordRun(id, stranger, 1)
	w.observe(id, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: stranger, VPC: "vpc-1"})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/24")
	in := func(change func(*ops.DeleteIpamDiscoveredAccountInput)) *ops.DeleteIpamDiscoveredAccountInput {
		in := &ops.DeleteIpamDiscoveredAccountInput{IpamResourceDiscoveryId: &id, AccountId: aws.String(stranger)}
		if change != nil {
			change(in)
		}
		return in
	}
	type request = ops.DeleteIpamDiscoveredAccountInput
	failure := func(of string) string {
		t.Helper()
		for _, a := range do[ec2.GetIpamDiscoveredAccountsOutput](w, w.admin, &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: &id, DiscoveryRegion: aws.String(home)}).IpamDiscoveredAccounts {
			if *a.AccountId == of && a.FailureReason != nil {
				return string(a.FailureReason.Code) + ": " + *a.FailureReason.Message
			} else if *a.AccountId == of {
				return "none"
			}
		}
		return "not listed"
	}
	w.refused(t, w.admin, in(nil), "IncorrectState", stranger, home, id, "still watched")
	w.recordDeparture(id, consumer, ipam.DepartedRegion)
	w.recordDeparture(id, stranger, ipam.DepartedAccount)
	for of, want := range map[string]string{account: "none", consumer: "no operating Region", stranger: "left the organization"} {
		got := failure(of)
		if !strings.Contains(got, want) || want != "none" && (!strings.HasPrefix(got, "unauthorized-failure: ") || !strings.Contains(got, "DeleteIpamDiscoveredAccount")) {
			t.Errorf("the reason of %s is %q, want %q", of, got, want)
		}
	}
	for _, c := range []struct {
		name  string
		as    context.Context
		in    *request
		code  ipam.Code
		words []string
	}{
		{"no discovery", w.admin, in(func(in *request) { in.IpamResourceDiscoveryId = nil }), "MissingParameter", []string{"IpamResourceDiscoveryId"}},
		{"no account", w.admin, in(func(in *request) { in.AccountId = nil }), "MissingParameter", []string{"AccountId"}},
		{"not a discovery", w.admin, in(func(in *request) { in.IpamResourceDiscoveryId = m.IpamId }), "InvalidIpamResourceDiscoveryId.Malformed", []string{*m.IpamId}},
		{"not an account", w.admin, in(func(in *request) { in.AccountId = aws.String("dev") }), "InvalidParameterValue", []string{"AccountId", "dev", "12 digits"}},
		{"not a Region", w.admin, in(func(in *request) { in.DiscoveryRegion = aws.String("tokyo") }), "InvalidParameterValue", []string{"DiscoveryRegion", "tokyo"}},
		{"another Region", w.admin, in(func(in *request) { in.DiscoveryRegion = aws.String("eu-west-1") }), "InvalidParameterValue", []string{stranger, "eu-west-1", "GetIpamDiscoveredAccounts"}},
		{"another account", w.admin, in(func(in *request) { in.AccountId = aws.String("999999999999") }), "InvalidParameterValue", []string{"999999999999"}},
		{"one that is looked at", w.admin, in(func(in *request) { in.AccountId = aws.String(account) }), "IncorrectState", []string{account}},
		{"a Region that is looked at again", w.admin, in(func(in *request) { in.AccountId = aws.String(consumer) }), "IncorrectState", []string{consumer, home}},
		{"by the account itself", as(stranger, "admin", ""), in(nil), "InvalidIpamResourceDiscoveryId.NotFound", []string{id}},
		{"dry", w.admin, in(func(in *request) { in.DryRun = aws.Bool(true) }), "DryRunOperation", nil},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, c.as, c.in, c.code, c.words...) })
	}
	allocate := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)}
	w.refused(t, w.admin, allocate, "InvalidParameterValue", pool)
	for range 2 { // a second call is no error
		gone := do[ops.DeleteIpamDiscoveredAccountOutput](w, w.admin, in(func(in *request) { in.DiscoveryRegion = aws.String(home) })).IpamDiscoveredAccounts
		if len(gone) != 1 || *gone[0].AccountId != stranger || *gone[0].DiscoveryRegion != home || !strings.Contains(*gone[0].FailureReason.Message, "being forgotten") {
			t.Errorf("it answers %+v", gone)
		}
	}
	if err := w.store.RunWork(t.Context(), "purge#"+id+"#"+home+"#"+stranger); err != nil {
		t.Fatal(err)
	}
	if got := failure(stranger); got != "not listed" {
		t.Errorf("the reason of the account is %q", got)
	}
	do[ec2.AllocateIpamPoolCidrOutput](w, w.admin, allocate)
	// The owner of a discovery forgets its accounts, also if it is not the deployment's account.
	guest := as(consumer, "admin", "")
	its := do[ec2.CreateIpamResourceDiscoveryOutput](w, guest, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	w.recordDeparture(*its, consumer, ipam.DepartedAccount)
	mine := &request{IpamResourceDiscoveryId: its, AccountId: aws.String(consumer)}
	w.refused(t, w.admin, mine, "InvalidIpamResourceDiscoveryId.NotFound", *its)
	do[ops.DeleteIpamDiscoveredAccountOutput](w, guest, mine)
}

func TestDiscoveredAccountsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// GetIpamDiscoveredAccounts
		{"discovery unknown: its accounts", &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: noDiscovery, DiscoveryRegion: aws.String(home)}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
	})
}
