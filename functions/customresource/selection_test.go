package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// A selector stands for a pool's id, if it selects exactly one pool.
func TestSelector(t *testing.T) {
	w := newWorld(t)
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
		{"what no pool has", properties{"IpamPoolSelector": properties{"Name": "dev"}}, "UnknownParameter: The property IpamPoolSelector.Name|AddressFamily, Description, IpamScopeId, Locale, Tags"},
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

// What a selector selects may change; that moves nothing. A selector that
// itself changes selects anew.
func TestSelectionChanges(t *testing.T) {
	w := newWorld(t)
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

	pool("First", "old")
	second := pool("Second", "dev") // what the selector selects now
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

	// A selector that the pool meets moves nothing, whoever meets it besides; one
	// that it does not meet has to select one pool.
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
