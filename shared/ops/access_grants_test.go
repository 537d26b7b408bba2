package ops_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func TestAccessGrants(t *testing.T) {
	w := newEnv(t, nil)
	// The api function has the deployer's grants and those in the table, too.
	deployer := []registry.Grant{{Pattern: "arn:aws:iam::" + account + ":user/admin", Class: registry.Administer}, {Pattern: "arn:aws:iam::" + stranger + ":user/admin", Class: registry.Administer}}
	w.registry = ops.New(w.store, registry.NewGrants(deployer, registry.MoreGrants(w.store.Grants), time.Minute, func() time.Time { return w.now }))
	network := as(stranger, "network", "")
	describe := func() error {
		w.now = w.now.Add(time.Minute) // then all functions have the grants
		_, err := w.registry.Call(network, "DescribeIpams", &ec2.DescribeIpamsInput{})
		return err
	}
	if got := do[ops.GetAccessGrantsOutput](w, w.admin, &ops.GetAccessGrantsInput{}); !cmp.Equal(got.AccessGrants, &ops.AccessGrants{Administrators: []string{}, Allocators: []string{}, Readers: []string{}}) {
		t.Errorf("before any: %+v", got.AccessGrants)
	}
	if err := describe(); ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
		t.Errorf("before any: %v", err)
	}
	want := &ops.AccessGrants{Administrators: []string{}, Allocators: []string{"arn:aws:iam::*:user/ci"}, Readers: []string{"arn:aws:iam::*:user/net*"}}
	put := do[ops.PutAccessGrantsOutput](w, w.admin, &ops.PutAccessGrantsInput{Allocators: want.Allocators, Readers: want.Readers})
	got := do[ops.GetAccessGrantsOutput](w, w.admin, &ops.GetAccessGrantsInput{})
	if d := cmp.Diff([]*ops.AccessGrants{want, want}, []*ops.AccessGrants{put.AccessGrants, got.AccessGrants}); d != "" {
		t.Error(d)
	}
	if err := describe(); err != nil {
		t.Errorf("granted: %v", err)
	}
	do[ops.PutAccessGrantsOutput](w, w.admin, &ops.PutAccessGrantsInput{})
	if err := describe(); ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
		t.Errorf("taken back: %v", err)
	}
}

func TestAccessGrantsRefused(t *testing.T) {
	w := newEnv(t, nil)
	many := make([]string, 1001)
	for i := range many {
		many[i] = "*"
	}
	before := w.table.Hash()
	for _, c := range []struct {
		name string
		who  string
		in   any
		code ipam.Code
		text string
	}{
		{"an administrator of another account", stranger, &ops.PutAccessGrantsInput{Readers: []string{"*"}}, ipam.CodeUnauthorizedOperation, "from " + stranger},
		{"the same as a dry run", stranger, &ops.PutAccessGrantsInput{Readers: []string{"*"}, DryRun: aws.Bool(true)}, ipam.CodeUnauthorizedOperation, "from " + stranger},
		{"reading from another account", stranger, &ops.GetAccessGrantsInput{}, ipam.CodeUnauthorizedOperation, "from " + stranger},
		{"a dry run", account, &ops.PutAccessGrantsInput{Readers: []string{"*"}, DryRun: aws.Bool(true)}, ipam.CodeDryRunOperation, ""},
		{"an empty pattern", account, &ops.PutAccessGrantsInput{Allocators: []string{"*", ""}}, ipam.CodeInvalidParameterValue, "Allocators.2"},
		{"a pattern that is too long", account, &ops.PutAccessGrantsInput{Readers: []string{"arn:aws:iam::*:user/" + strings.Repeat("x", 2029)}}, ipam.CodeInvalidParameterValue, "It has 2049 characters, and a pattern of principal ARNs at most 2048."},
		{"a pattern whose wildcard would reach over parts", account, &ops.PutAccessGrantsInput{Administrators: []string{"arn:aws:iam::*:role/a", "*:role/a"}}, ipam.CodeInvalidParameterValue,
			"Value (*:role/a) for parameter Administrators.2 is invalid. It is no pattern of principal ARNs: use * or the 6 parts of an ARN with colons between them, such as arn:aws:iam::111122223333:role/network-*; this pattern has 2."},
		{"too many patterns", account, &ops.PutAccessGrantsInput{Readers: many}, ipam.CodeInvalidParameterValue, "1001 patterns, and at most 1000"},
		{"patterns too long together", account, &ops.PutAccessGrantsInput{Readers: strings.Fields(strings.Repeat("arn:aws:iam::*:user/"+strings.Repeat("x", 2000)+" ", 200))}, ipam.CodeInvalidParameterValue, "bytes together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.registry.Call(as(c.who, "admin", ""), operation(c.in), c.in)
			if ipam.CodeOf(err) != c.code || !strings.Contains(ipam.Public(err).Message, c.text) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.text)
			}
		})
	}
	if w.table.Hash() != before {
		t.Error("a refused request wrote")
	}
}
