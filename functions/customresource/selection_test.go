package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// A selector replaces a pool's id if it selects exactly one pool.
func TestSelector(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	pool := func(logical, locale, description string, tags ...string) string {
		p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Description": description, "Tags": tagsOf(tags...), "AllocationDefaultNetmaskLength": 24}
		if locale != "" {
			p["Locale"] = locale
		}
		return w.must("Custom::IpamPool", logical, p).id
	}
	dev := pool("Dev", "eu-west-1", "dev*", "environment", "dev", "team", "")
	prod := pool("Prod", "eu-west-1", "prod", "environment", "prod")
	pool("Home", "us-east-1", "devel", "environment", "dev")
	for i := range 10 {
		pool(fmt.Sprint("Many", i), "", "many", "many", fmt.Sprint(i))
	}
	w.must("Custom::IpamPool", "Six", properties{"IpamScopeId": scope, "AddressFamily": "ipv6"})
	for i, id := range []string{dev, prod} {
		w.must("Custom::IpamPoolCidr", fmt.Sprint("C", i), properties{"IpamPoolId": id, "NetmaskLength": 20})
	}

	for i, c := range []struct {
		selector properties
		want     string
	}{
		{properties{"Tags": tagsOf("environment", "prod")}, prod},
		{properties{"Tags": tagsOf("environment", "dev"), "Locale": "eu-west-1"}, dev},
		{properties{"Tags": tagsOf("environment", "dev", "team", "")}, dev},
		{properties{"Description": "dev*"}, dev},
		{properties{"Description": "prod", "Locale": "", "AddressFamily": "ipv4", "IpamScopeId": scope}, prod},
	} {
		a := w.must("Custom::IpamAllocation", fmt.Sprint("A", i), properties{"IpamPoolSelector": c.selector})
		if a.attributes["IpamPoolId"] != c.want {
			t.Errorf("%v selects %s, want %s", c.selector, a.attributes["IpamPoolId"], c.want)
		}
	}
	for _, c := range []struct {
		name  string
		p     properties
		words string
	}{
		{"none", properties{"IpamPoolSelector": properties{"Tags": tagsOf("environment", "test")}}, `InvalidParameterValue: No pool meets the IpamPoolSelector tag:environment="test"`},
		{"another case", properties{"IpamPoolSelector": properties{"Tags": tagsOf("Environment", "dev")}}, "No pool meets"},
		{"a wildcard", properties{"IpamPoolSelector": properties{"Description": "pro?"}}, "No pool meets"},
		{"two", properties{"IpamPoolSelector": properties{"Tags": tagsOf("environment", "dev")}}, `InvalidParameterValue: More than one pool|tag:environment="dev"|` + dev + ` (ipv4, locale eu-west-1, "dev*")|"devel"`},
		{"many", properties{"IpamPoolSelector": properties{"Locale": "None"}}, "More than one pool|and more"},
		{"nothing is asked for", properties{"IpamPoolSelector": properties{}}, "MissingParameter: The IpamPoolSelector asks for nothing"},
		{"nothing but empty strings", properties{"IpamPoolSelector": properties{"Locale": "", "Tags": []any{}}}, "asks for nothing"},
		{"a property that pools do not have", properties{"IpamPoolSelector": properties{"Name": "dev"}}, "UnknownParameter: The property IpamPoolSelector.Name|AddressFamily, Description, IpamScopeId, Locale, Tags"},
		{"no pool", properties{}, "MissingParameter: |IpamPoolId and IpamPoolSelector"},
		{"an id too", properties{"IpamPoolId": dev, "IpamPoolSelector": properties{"Description": "dev*"}}, "InvalidParameterCombination: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.T = t
			w.refused(c.words, "Custom::IpamAllocation", "New", c.p)
		})
	}
	w.T = t

	// A pool that is being deleted is none to select.
	if _, err := w.h.caller.Call(t.Context(), "DeleteIpamPool", &ec2.DeleteIpamPoolInput{IpamPoolId: &dev, Cascade: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	w.refused("No pool meets", "Custom::IpamAllocation", "New", properties{"IpamPoolSelector": properties{"Description": "dev*"}})

	// A pool under a selected one is in its scope.
	child := w.must("Custom::IpamPool", "Child", properties{"AddressFamily": "ipv4", "IpamPoolSelector": properties{"Description": "prod"}, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.31.0/24"}}})
	if !strings.HasSuffix(child.attributes["IpamScopeArn"].(string), "/"+scope) || child.attributes["PoolDepth"] != "3" {
		t.Errorf("%+v", child)
	}
	was := child.id
	if child = w.must("Custom::IpamPool", "Child", properties{"AddressFamily": "ipv4", "IpamPoolSelector": properties{"Description": "prod"}, "Description": "c"}); child.id != was {
		t.Error("the pool is another one")
	}
	w.refused("MissingParameter: The property IpamScopeId", "Custom::IpamPool", "New", properties{"AddressFamily": "ipv4"})
}

// The pools that a selector selects may change; that moves nothing. A selector that itself
// changes selects again.
func TestSelectionChanges(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	pool := func(logical, environment string) string {
		id := w.must("Custom::IpamPool", logical, properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Tags": tagsOf("environment", environment)}).id
		if w.standing["C"+logical] == nil {
			w.must("Custom::IpamPoolCidr", "C"+logical, properties{"IpamPoolId": id, "NetmaskLength": 24})
		}
		return id
	}
	selecting := func(environment string, length int, description string) properties {
		return properties{"IpamPoolSelector": properties{"Tags": tagsOf("environment", environment)}, "NetmaskLength": length, "Description": description}
	}
	first := pool("First", "dev")
	a := *w.must("Custom::IpamAllocation", "A", selecting("dev", 26, ""))

	pool("First", "old") // now the selector selects nothing
	if r := w.send(w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "A", selecting("dev", 26, ""))); r.PhysicalResourceID != a.id {
		t.Errorf("%s is replaced by %s", a.id, r.PhysicalResourceID)
	}
	// A change that is refused cannot be taken back now, and moves nothing: it is
	// not known any more that the selector is the one that the allocation came by.
	before := w.content()
	for _, environments := range [][2]string{{"dev", "test"}, {"test", "dev"}} {
		e := w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "A", selecting(environments[1], 26, ""))
		e.OldResourceProperties = asStrings(selecting(environments[0], 26, "")).(properties)
		if r := w.send(e); r.Status != cfn.StatusFailed || r.PhysicalResourceID != a.id || !strings.Contains(r.Reason, `No pool meets the IpamPoolSelector tag:environment="`+environments[1]) {
			t.Errorf("%+v", r)
		}
	}
	w.same(before)
	second := pool("Second", "dev") // which the selector selects now
	e := w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "A", selecting("dev", 26, ""))
	if r := w.send(e); r.PhysicalResourceID != a.id {
		t.Errorf("%s is replaced by %s", a.id, r.PhysicalResourceID)
	}
	// Another length asks for another allocation, in the pool where it was.
	if b := w.must("Custom::IpamAllocation", "A", selecting("dev", 27, "")); b.id == a.id || b.attributes["IpamPoolId"] != first {
		t.Errorf("the allocation is replaced by %+v, not in %s", b, first)
	}
	pool("Third", "dev") // now it is ambiguous
	if b := w.must("Custom::IpamAllocation", "A", selecting("dev", 27, "x")); b.attributes["IpamPoolId"] != first {
		t.Errorf("the allocation is replaced by %+v, not in %s", b, first)
	}
	w.refused("/8", "Custom::IpamAllocation", "A", selecting("dev", 8, "x"))
	pool("First", "dev")
	w.refused("No pool meets", "Custom::IpamAllocation", "A", selecting("test", 27, "x")) // the rollback's selector is ambiguous

	// A selector that the pool meets moves nothing, even if other pools meet it, too. One
	// that the pool does not meet must select one pool.
	was := w.standing["A"].id
	if b := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolSelector": properties{"Locale": "None"}, "NetmaskLength": 27, "Description": "x"}); b.id != was {
		t.Errorf("%s is replaced by %s", was, b.id)
	}
	pool("First", "old")
	if b := w.must("Custom::IpamAllocation", "A", selecting("old", 27, "x")); b.id != was {
		t.Errorf("%s is replaced by %s, in the same pool", was, b.id)
	}
	w.refused("More than one pool meets", "Custom::IpamAllocation", "A", selecting("dev", 27, "x"))
	w.remove("CThird")
	w.remove("Third")
	if b := w.must("Custom::IpamAllocation", "A", selecting("dev", 27, "x")); b.attributes["IpamPoolId"] != second {
		t.Errorf("the allocation is %+v, want one in %s", b, second)
	}
	if b := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": second, "NetmaskLength": 27, "Description": "x"}); b.attributes["IpamPoolId"] != second {
		t.Errorf("%+v", b)
	}
}

// A create with an unknown outcome is undone in the pool that it selected, even if the
// selector selects another pool by then.
func TestSelectionOfAnUnfinishedCreate(t *testing.T) {
	for _, c := range []struct {
		name string
		then []string // environments of the first pool and of another
	}{
		{"it selects nothing", []string{"old", "old"}},
		{"it selects two", []string{"dev", "dev"}},
		{"it selects another pool", []string{"old", "dev"}},
	} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, applied %t", c.name, applied), func(t *testing.T) {
				w := newEnv(t)
				scope, top := w.network()
				pool := func(logical, environment string) {
					w.must("Custom::IpamPool", logical, properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Tags": tagsOf("environment", environment)})
				}
				logicals := []string{"First", "Second"}
				for i, logical := range logicals {
					pool(logical, []string{"dev", "old"}[i])
					w.must("Custom::IpamPoolCidr", "C"+logical, properties{"IpamPoolId": w.standing[logical].id, "NetmaskLength": 24})
				}
				for _, made := range []struct {
					kind, operation string
					p               properties
				}{
					{"Custom::IpamAllocation", "AllocateIpamPoolCidr", properties{"NetmaskLength": 26}},
					{"Custom::IpamPool", "CreateIpamPool", properties{"AddressFamily": "ipv4"}},
				} {
					caller := w.h.caller
					w.use(lost{caller, made.operation, applied})
					made.p["IpamPoolSelector"] = properties{"Tags": tagsOf("environment", "dev")}
					e := w.event(cfn.RequestCreate, made.kind, "X", made.p)
					a := w.send(e)
					if a.Status != cfn.StatusFailed || !strings.HasPrefix(a.PhysicalResourceID, "unfinished:") {
						t.Fatalf("%+v", a)
					}
					w.use(caller)
					for i, logical := range logicals {
						pool(logical, c.then[i])
					}
					w.end(made.kind, "X", a.PhysicalResourceID, e.ResourceProperties)
					for i, logical := range logicals {
						pool(logical, []string{"dev", "old"}[i])
					}
				}
				for _, logical := range []string{"CFirst", "CSecond", "First", "Second", "Top", "Ipam"} {
					w.remove(logical) // which they could not be if anything were left in them
				}
			})
		}
	}
}

// lost loses all answers of an operation, whether it is carried out or not.
type lost struct {
	Caller
	operation string
	applied   bool
}

func (c lost) Call(ctx context.Context, operation string, in any) (any, error) {
	if operation != c.operation {
		return c.Caller.Call(ctx, operation, in)
	}
	if c.applied {
		_, _ = c.Caller.Call(ctx, operation, in)
	}
	return nil, errors.New("connection reset")
}
